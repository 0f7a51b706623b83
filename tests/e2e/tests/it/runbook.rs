//! Compares the pages with the templates and the command: each alarm has a section in `docs/RUNBOOK.md`, each parameter is
//! in `docs/DEPLOY.md`, and each `quiz-etl` command exists. `tests/pages` checks paths, links and cargo commands.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use quiz_e2e::binary;
use quiz_pages::{Repository, code, headings};
use quiz_stack::{find_python, template};
use serde_json::{Map, Value};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn page(name: &str) -> String {
    std::fs::read_to_string(docs().join(name)).unwrap()
}

fn part(name: &str) -> Map<String, Value> {
    template("template.yaml").unwrap()[name].as_object().unwrap().clone()
}

/// The names of the alarms without the stack's name, with their descriptions.
fn alarms() -> Vec<(String, String)> {
    let text = |it: &Value| it["Fn::Sub"].as_str().unwrap().to_owned();
    let resources = part("Resources");
    let alarms = resources.values().filter(|resource| resource["Type"] == "AWS::CloudWatch::Alarm");
    alarms
        .map(|alarm| &alarm["Properties"])
        .map(|alarm| {
            let name = text(&alarm["AlarmName"]);
            (name.strip_prefix("${AWS::StackName}-").unwrap().to_owned(), text(&alarm["AlarmDescription"]))
        })
        .collect()
}

#[test]
fn each_alarm_leads_to_its_section() {
    let runbook = page("RUNBOOK.md");
    let headings = headings(&runbook);
    let alarms = alarms();
    assert!(alarms.len() > 20, "{alarms:?}");
    for (name, description) in &alarms {
        assert!(headings.contains(&name.as_str()), "docs/RUNBOOK.md has no section {name}");
        let said = format!("docs/RUNBOOK.md, {name}");
        assert!(description.ends_with(&said), "the description of {name} does not end with: {said}");
    }
    let known: BTreeSet<&str> = alarms.iter().map(|(name, _)| name.as_str()).collect();
    let is_name = |text: &&str| {
        text.contains('-') && text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
    };
    for heading in headings.into_iter().filter(is_name) {
        assert!(
            known.contains(heading),
            "docs/RUNBOOK.md has a section {heading}, and there is no such alarm"
        );
    }
}

#[test]
fn each_parameter_is_described() {
    let deploy = page("DEPLOY.md");
    for name in part("Parameters").keys() {
        assert!(
            deploy.contains(&format!("`{name}`")),
            "docs/DEPLOY.md does not tell of the parameter {name}"
        );
    }
}

/// The words of the `quiz-etl` command at the start of a shell line, up to the next command.
fn words(line: &str) -> Option<Vec<String>> {
    let words = shlex::split(line.split_once("quiz-etl ")?.1)?.into_iter();
    Some(words.take_while(|word| !["|", "&&", ";", ">", ">>"].contains(&word.as_str())).collect())
}

#[test]
fn each_command_exists() {
    let quiz_etl = binary("quiz-etl");
    let mut seen = 0;
    for page in Repository::read().unwrap().pages().unwrap() {
        let name = page.path;
        let commands = code(&page.text).into_iter().filter(|line| line.trim_start().starts_with("quiz-etl "));
        for command in commands {
            let words = words(&command).unwrap();
            // `help` has no `--help`, and pages write SHELL for the shell of `completions`
            if words.first().is_some_and(|verb| ["help", "completions"].contains(&verb.as_str())) {
                continue;
            }
            // `--help` parses the given arguments, but does not report missing ones
            let output = Command::new(&quiz_etl).args(&words).arg("--help").output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}: {command}\n{words:?}\n{said}");
            let is_drop = words.starts_with(&["dlq".to_owned(), "drop".to_owned()]);
            assert!(!is_drop || words.contains(&"--reason".to_owned()), "{name}: {command} lacks --reason");
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} commands were found");
}

/// The names in this text directly after `mark`.
fn named<'a>(text: &'a str, mark: &str) -> BTreeSet<&'a str> {
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let after = text.split(mark).skip(1);
    after.map(|rest| rest.split(|letter| !is_name(letter)).next().unwrap_or_default()).collect()
}

#[test]
fn command_environment_uses_existing_outputs_and_parameters() {
    let deploy = page("DEPLOY.md");
    let (_, script) = deploy.split_once("source <(").unwrap();
    let (script, _) = script.split_once("```").unwrap();
    let (outputs, parameters) = (part("Outputs"), part("Parameters"));
    let outputs_used = named(script, "$out.");
    assert!(outputs_used.iter().all(|output| outputs.contains_key(*output)), "{outputs_used:?}");
    let parameters_used = named(script, "$in.");
    assert!(
        parameters_used.iter().all(|parameter| parameters.contains_key(*parameter)),
        "{parameters_used:?}"
    );
    let is_variable = |text: &&str| {
        text.contains('_') && text.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_')
    };
    let variables = script.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').filter(is_variable);
    let variables: BTreeSet<&str> = variables.collect();
    assert!(variables.len() > 15, "{variables:?}");
    let readmes = ["cli", "functions/sync-reports", "functions/sync-warehouse", "functions/notify-discord"];
    let readmes = readmes
        .map(|folder| std::fs::read_to_string(docs().join("..").join(folder).join("README.md")).unwrap());
    for variable in variables {
        let said = format!("`{variable}`");
        assert!(readmes.iter().any(|readme| readme.contains(&said)), "no README names {variable}");
    }
}

#[test]
fn cost_tables_match_the_script() {
    let python = find_python().unwrap().program;
    let output = Command::new(python).arg(docs().join("costs")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tables = String::from_utf8(output.stdout).unwrap();
    assert!(page("COSTS.md").contains(&tables), "run docs/costs --write");
}
