use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use serde_json::json;

use crate::Cli;
use crate::ui::{Done, Terminal};

pub const EXAMPLES: &str = "\
Examples:
  quiz-etl man | man -l -                       read the page of the whole command
  quiz-etl man --out ~/.local/share/man/man1    install a page for each command: man quiz-etl-status";

/// Prints the manual page of the whole command, or writes one for each command into a folder.
pub fn man(out: Option<&Path>, terminal: Terminal) -> anyhow::Result<Done> {
    let Some(folder) = out else {
        let page = String::from_utf8(page(whole_command())?)?;
        if terminal.json {
            terminal.print_json(&json!({"page": page}));
        } else {
            terminal.print(&page);
        }
        return Ok(Done::Well);
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let mut written: Vec<PathBuf> = Vec::new();
    for (name, page) in pages()? {
        let path = folder.join(format!("{name}.1"));
        std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    if terminal.json {
        terminal.print_json(&json!({"pages": written}));
    } else {
        for path in written {
            terminal.print(&path.display().to_string());
        }
    }
    Ok(Done::Well)
}

/// A page for the command and for each of its subcommands, with names such as `quiz-etl-dlq-list`.
fn pages() -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut left = vec![whole_command()];
    let mut pages = Vec::new();
    while let Some(command) = left.pop() {
        left.extend(command.get_subcommands().cloned());
        let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
        pages.push((name, page(command)?));
    }
    pages.sort();
    Ok(pages)
}

/// The command with all subcommands except `help`.
fn whole_command() -> Command {
    let mut whole = Cli::command().disable_help_subcommand(true);
    whole.build();
    whole
}

fn page(command: Command) -> anyhow::Result<Vec<u8>> {
    let examples = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string);
    let has_subcommands = command.has_subcommands();
    let source = concat!("quiz-etl ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command).source(source).manual("quiz-etl");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_subcommands {
        man.render_subcommands_section(&mut page)?;
    }
    page.extend(examples.as_deref().map(examples_section).unwrap_or_default().into_bytes());
    Ok(page)
}

/// The examples line by line; clap_mangen would join them into paragraphs.
fn examples_section(text: &str) -> String {
    let text = text.strip_prefix("Examples:\n").unwrap_or(text);
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    // troff reads a line that begins with a dot or a quote as a command
    let lines: Vec<String> = escaped.lines().map(|line| format!("\\&{line}")).collect();
    format!(".SH EXAMPLES\n.nf\n{}\n.fi\n", lines.join("\n"))
}
