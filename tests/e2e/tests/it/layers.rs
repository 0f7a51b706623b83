//! The layers of the workspace: a package depends on packages of lower layers only.
//!
//! Dev-dependencies do not count: a test may start programs of higher layers.

use std::process::Command;

use serde_json::Value;

/// The layers from bottom to top. Packages of one layer do not depend on each other.
const LAYERS: [&[&str]; 8] = [
    &["quiz-chart", "quiz-domain", "quiz-events", "quiz-pages", "quiz-sample"],
    &["quiz-parquet", "quiz-sync-state"],
    &["quiz-pipeline"],
    &["quiz-bigquery", "quiz-discord", "quiz-dynamo", "quiz-local", "quiz-mongo", "quiz-sns-sqs"],
    &["quiz-lambda"],
    &["notify-discord", "quiz-etl", "reconcile", "sync-reports", "sync-warehouse"],
    &["quiz-stack", "quiz-suites"],
    &["quiz-benches", "quiz-e2e"],
];
/// Packages without input, output and clocks, and their forbidden dependencies.
const PURE: [&str; 2] = ["quiz-domain", "quiz-sync-state"];
const IMPURE: [&str; 4] = ["futures", "reqwest", "tokio", "tracing"];

/// A package, and a package that it depends on.
type Arrow = (String, String);

fn layer(package: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&package))
}

fn is_forbidden((from, to): &Arrow) -> bool {
    if PURE.contains(&from.as_str()) && IMPURE.contains(&to.as_str()) {
        return true;
    }
    layer(to).is_some_and(|to| layer(from).is_none_or(|from| from <= to))
}

/// The packages of the workspace, and their dependencies without dev-dependencies.
fn workspace() -> (Vec<String>, Vec<Arrow>) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--frozen"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let (mut packages, mut arrows) = (Vec::new(), Vec::new());
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        packages.push(name.to_owned());
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let linked = dependencies.filter(|dependency| dependency["kind"] != "dev");
        arrows.extend(linked.map(|to| (name.to_owned(), to["name"].as_str().unwrap().to_owned())));
    }
    (packages, arrows)
}

#[test]
fn no_package_depends_on_a_higher_layer() {
    let (packages, arrows) = workspace();
    let unplaced: Vec<&String> = packages.iter().filter(|package| layer(package).is_none()).collect();
    assert!(unplaced.is_empty(), "give these packages a layer in {}: {unplaced:?}", file!());
    let gone: Vec<&&str> = LAYERS
        .iter()
        .flat_map(|layer| *layer)
        .filter(|name| !packages.iter().any(|package| package == *name))
        .collect();
    assert!(gone.is_empty(), "no such packages: {gone:?}");
    let forbidden: Vec<&Arrow> = arrows.iter().filter(|arrow| is_forbidden(arrow)).collect();
    assert!(forbidden.is_empty(), "dependencies on the same or a higher layer: {forbidden:?}");
}

#[test]
fn arrow_up_or_sideways_is_noticed() {
    let arrow = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    for (from, to) in [
        ("quiz-bigquery", "quiz-lambda"),
        ("quiz-dynamo", "quiz-mongo"),
        ("quiz-pipeline", "quiz-suites"),
        ("quiz-etl", "reconcile"),
        ("quiz-sync-state", "tokio"),
    ] {
        assert!(is_forbidden(&arrow(from, to)), "{from} → {to}");
    }
    for (from, to) in [("reconcile", "quiz-lambda"), ("quiz-lambda", "quiz-mongo"), ("quiz-events", "tokio")]
    {
        assert!(!is_forbidden(&arrow(from, to)), "{from} → {to}");
    }
}
