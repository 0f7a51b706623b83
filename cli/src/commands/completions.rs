use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;

use crate::Cli;
use crate::ui::{Done, Terminal};

/// Where each shell reads the script.
pub const EXAMPLES: &str = "\
Examples:
  bash        quiz-etl completions bash > ~/.local/share/bash-completion/completions/quiz-etl
  zsh         quiz-etl completions zsh > ~/.zfunc/_quiz-etl       (~/.zshrc: fpath+=~/.zfunc, before compinit)
  fish        quiz-etl completions fish > ~/.config/fish/completions/quiz-etl.fish
  PowerShell  quiz-etl completions powershell >> $PROFILE
  elvish      quiz-etl completions elvish >> ~/.config/elvish/rc.elv";

/// Prints the completion script of a shell.
pub fn completions(shell: Shell, terminal: Terminal) -> anyhow::Result<Done> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    let script = String::from_utf8(script)?;
    if terminal.json {
        terminal.print_json(&json!({"shell": shell.to_string(), "script": script}));
    } else {
        terminal.print(&script);
    }
    Ok(Done::Well)
}
