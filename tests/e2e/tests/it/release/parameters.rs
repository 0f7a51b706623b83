//! The parameter values of a release: each parameter of the template has a value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quiz_stack::template;
use serde_json::Value;

/// The smallest parameter file.
const REQUIRED: &str = "Environment: staging\nBigQueryProject: project\n";
/// The values from `deploy/release`.
const GIVEN: [&str; 11] = [
    "MongoSecret=arn:mongodb",
    "BigQuerySecret=arn:bigquery",
    "DiscordSecret=arn:discord",
    "SyncReportsImage=registry/sync-reports@sha256:1",
    "SyncWarehouseImage=registry/sync-warehouse@sha256:2",
    "NotifyDiscordImage=registry/notify-discord@sha256:3",
    "ReconcileImage=registry/reconcile@sha256:4",
    "Release=digest",
    "PermissionsBoundary=arn:boundary",
    "TablePrefix=none",
    "ProtectTables=true",
];

pub fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

pub fn check_tools(names: &[&str]) {
    for name in names {
        let mut found = Command::new("sh");
        found.args(["-c", "command -v \"$0\"", name]).stdout(Stdio::null());
        let is_there = found.status().is_ok_and(|status| status.success());
        assert!(is_there, "cannot find {name}; install the system's package");
    }
}

/// The values from `resolve_parameters`, or its error message.
fn resolve(file: &Path, given: &[&str]) -> Result<BTreeMap<String, String>, String> {
    check_tools(&["bash", "awk"]);
    let script = ". ./common.sh && resolve_parameters template.yaml \"$@\"";
    let mut bash = Command::new("bash");
    bash.args(["-c", script, "release"]).arg(file).args(given).current_dir(deploy());
    let ended = bash.output().unwrap();
    if !ended.status.success() {
        assert!(ended.stdout.is_empty(), "an error gives no values");
        return Err(String::from_utf8(ended.stderr).unwrap());
    }
    let pairs: Vec<String> = serde_json::from_slice(&ended.stdout).unwrap();
    let pair = |pair: &String| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(pairs.iter().map(|text| pair(text).unwrap()).collect())
}

fn resolve_text(text: &str) -> Result<BTreeMap<String, String>, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    resolve(file.path(), &GIVEN)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[test]
fn each_parameter_has_its_value_or_default() {
    let mut wanted: BTreeMap<String, String> = GIVEN
        .iter()
        .map(|pair| pair.split_once('=').unwrap())
        .chain([("Environment", "staging"), ("BigQueryProject", "project")])
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let template = template("template.yaml").unwrap();
    for (name, parameter) in template["Parameters"].as_object().unwrap() {
        let default = parameter.get("Default").map(text);
        let value = wanted.get(name).cloned().or(default);
        wanted.insert(name.clone(), value.unwrap_or_else(|| format!("{name} has no default")));
    }
    assert_eq!(resolve_text(REQUIRED).unwrap(), wanted);
}

#[test]
fn the_files_of_both_environments_resolve() {
    for environment in ["staging", "production"] {
        let file = deploy().join(format!("parameters/{environment}.yaml"));
        assert_eq!(resolve(&file, &GIVEN).unwrap()["Environment"], environment);
    }
}

#[test]
fn scalars_become_text() {
    for (line, name, value) in [
        ("ConsumeEvents: false", "ConsumeEvents", "false"),
        ("ConsumeEvents: \"false\"", "ConsumeEvents", "false"),
        ("ConsumeEvents: False # since Monday", "ConsumeEvents", "false"),
        ("FilterByType: TRUE", "FilterByType", "true"),
        ("SyncIntervalSeconds: 120", "SyncIntervalSeconds", "120"),
        ("DiscordChannelId: 012345678901234567890", "DiscordChannelId", "012345678901234567890"),
        ("ReportFormats: v1,v2", "ReportFormats", "v1,v2"),
        ("LogLevel: info,a=debug#no comment", "LogLevel", "info,a=debug#no comment"),
        ("BigQueryEndpoint: https://a.example:443/", "BigQueryEndpoint", "https://a.example:443/"),
        ("ExcludedUserIds: 'it''s # one'", "ExcludedUserIds", "it's # one"),
        ("ExcludedUserIds: \"a \\\"b\\\" \\\\\"  # quoted", "ExcludedUserIds", "a \"b\" \\"),
        ("MongoDatabase: \"\"", "MongoDatabase", ""),
        ("LogLevel: 'a\tb'", "LogLevel", "a\tb"),
        ("---\n\n  # a comment\nLogLevel: warn\r", "LogLevel", "warn"),
    ] {
        let values = resolve_text(&format!("{REQUIRED}{line}")).unwrap();
        assert_eq!(values[name], value, "{line}");
    }
}

#[test]
fn wrong_values_are_named() {
    for (lines, said) in [
        ("ConsumeEvents: [true]", "ConsumeEvents in FILE:3 is a list"),
        ("ConsumeEvents:\n  - true", "ConsumeEvents in FILE:3 is a list"),
        ("ConsumeEvents:\n- true", "ConsumeEvents in FILE:3 is a list"),
        ("ConsumeEvents: {is: true}", "ConsumeEvents in FILE:3 is a map"),
        ("ConsumeEvents:\n  is: true", "ConsumeEvents in FILE:3 is a map"),
        ("LogLevel: a: b", "LogLevel in FILE:3 is a map"),
        ("LogLevel: info,\n  debug", "LogLevel in FILE:3 is a text of several lines"),
        ("LogLevel: >-\n  info", "LogLevel in FILE:3 is YAML that this script does not read"),
        ("LogLevel: *other", "LogLevel in FILE:3 is YAML that this script does not read"),
        ("LogLevel:\nConsumeEvents: true", "LogLevel in FILE:3 has no value"),
        ("LogLevel: ~ # unset", "LogLevel in FILE:3 has no value"),
        ("LogLevel: 'info", "LogLevel in FILE:3 has no closing quote"),
        ("LogLevel: 'info' debug", "LogLevel in FILE:3 has text after the closing quote"),
        ("LogLevel: \"a\\nb\"", "LogLevel in FILE:3 has an escape that is not supported"),
        ("LogLevel: info\nLogLevel: warn", "LogLevel in FILE:4 is there twice"),
        ("ConsumeEvent: false", "ConsumeEvent in FILE:3 is no parameter of template.yaml"),
        ("Release: mine", "Release in FILE:3 is set by the script itself"),
        ("TablePrefix: none", "TablePrefix in FILE:3 is set by the script itself"),
        ("ConsumeEvents false", "cannot read FILE:3: write NAME: VALUE"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("staging.yaml");
        std::fs::write(&file, format!("{REQUIRED}{lines}\n")).unwrap();
        let error = resolve(&file, &GIVEN).unwrap_err();
        let wanted = format!("release: {}", said.replace("FILE", file.to_str().unwrap()));
        assert!(error.starts_with(&wanted), "{lines}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_parameter_without_a_value_is_named() {
    let error = resolve_text("Environment: staging\n").unwrap_err();
    assert!(error.starts_with("release: BigQueryProject has no default: set it in "), "{error}");
    let error = resolve(Path::new("parameters/moon.yaml"), &GIVEN).unwrap_err();
    assert_eq!(error, "release: cannot read parameters/moon.yaml\n");
}
