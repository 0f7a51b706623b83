//! Help, manual pages and completions.

use std::path::Path;
use std::process::{Command, Output};

use clap::CommandFactory;
use quiz_etl::Cli;
use serde_json::Value;

/// Each command with its words, such as `["dlq", "list"]`.
fn every_command() -> Vec<(Vec<String>, clap::Command)> {
    let mut root = Cli::command();
    root.build();
    let mut left = vec![(Vec::new(), root)];
    let mut all = Vec::new();
    while let Some((words, command)) = left.pop() {
        for below in command.get_subcommands().filter(|command| command.get_name() != "help") {
            let words: Vec<String> = [words.as_slice(), &[below.get_name().to_owned()]].concat();
            left.push((words, below.clone()));
        }
        all.push((words, command));
    }
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

fn quiz_etl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quiz-etl")).args(arguments).env_clear().output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn help_text(words: &[String]) -> String {
    let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    arguments.push("--help");
    stdout(&quiz_etl(&arguments))
}

#[test]
fn each_command_has_help() {
    for (words, _) in every_command() {
        let name = ["quiz-etl".to_owned()].iter().chain(&words).cloned().collect::<Vec<_>>().join("-");
        insta::assert_snapshot!(name, help_text(&words));
    }
}

#[test]
fn version_names_the_commit() {
    let version = |commit: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quiz-etl"));
        stdout(&command.arg("--version").env_clear().env("QUIZ_ETL_COMMIT", commit).output().unwrap())
    };
    let package = concat!("quiz-etl ", env!("CARGO_PKG_VERSION"));
    assert_eq!(version("").trim_end(), package);
    assert_eq!(version("0123456789abcdef").trim_end(), format!("{package} (0123456789ab)"));
}

#[test]
fn help_of_each_command_has_examples() {
    for (words, command) in every_command().into_iter().filter(|(_, command)| !command.has_subcommands()) {
        let help = help_text(&words);
        let examples = help.split_once("Examples:");
        let (_, examples) =
            examples.unwrap_or_else(|| panic!("no examples in the help of {words:?}:\n{help}"));
        assert!(examples.contains(&format!("quiz-etl {}", words.join(" "))), "{words:?}:\n{help}");
        assert!(command.get_about().is_some(), "{words:?}");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{words:?} {}", argument.get_id());
        }
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man1");
    let written = stdout(&quiz_etl(&["man", "--out", out.to_str().unwrap()]));
    for (words, _) in every_command() {
        let name = ["quiz-etl".to_owned()].iter().chain(&words).cloned().collect::<Vec<_>>().join("-");
        let path = out.join(format!("{name}.1"));
        assert!(written.lines().any(|line| Path::new(line) == path), "{name} in\n{written}");
        let page = std::fs::read_to_string(&path).unwrap();
        assert!(page.contains(".TH ") && page.contains(".SH NAME") && page.contains(".SH OPTIONS"), "{page}");
        if !words.is_empty() && !page.contains("SUBCOMMANDS") {
            assert!(page.contains(".SH EXAMPLES"), "{name}:\n{page}");
        }
    }
    let whole = stdout(&quiz_etl(&["man"]));
    assert!(whole.contains(".SH SUBCOMMANDS") && whole.contains("quiz\\-etl\\-status"), "{whole}");
    let json: Value = serde_json::from_str(&stdout(&quiz_etl(&["man", "--json"]))).unwrap();
    assert_eq!(json["page"].as_str().unwrap().trim_end(), whole.trim_end());
}

#[test]
fn completions_know_each_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = stdout(&quiz_etl(&["completions", shell]));
        for (words, _) in every_command() {
            let last = words.last().map_or("quiz-etl", String::as_str);
            assert!(script.contains(last), "{last} in the completions of {shell}");
        }
    }
}

#[test]
fn bash_accepts_its_completions() {
    let script = stdout(&quiz_etl(&["completions", "bash"]));
    let complete = r#"
        function=$(complete -p quiz-etl | sed 's/.*-F \([^ ]*\).*/\1/')
        COMP_WORDS=(quiz-etl st) COMP_CWORD=1
        "$function" quiz-etl st quiz-etl
        echo "${COMPREPLY[@]}"
    "#;
    let bash = Command::new("bash").args(["-c", &format!("{script}\n{complete}")]).output();
    let bash = bash.unwrap_or_else(|error| panic!("this test needs bash: {error}"));
    assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), "status", "{bash:?}");
}
