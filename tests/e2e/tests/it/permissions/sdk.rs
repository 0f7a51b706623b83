//! The operations of the AWS SDK: all operations, those that source files call, and those that a binary holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A call with IAM's name, such as `sns:Publish`.
pub type Action = String;

/// The workspace's packages without its test packages, and their SDK crates.
pub struct Workspace {
    root: PathBuf,
    /// The folders of the packages.
    packages: Vec<PathBuf>,
    /// The operations by service, such as `get_item` of `dynamodb`.
    services: BTreeMap<String, BTreeSet<String>>,
}

impl Workspace {
    pub fn read() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // a new machine has only the packages of its own platform
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--frozen", "--filter-platform", "host-tuple"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let root = PathBuf::from(metadata["workspace_root"].as_str().unwrap());
        let all = metadata["packages"].as_array().unwrap();
        let folder =
            |package: &Value| PathBuf::from(package["manifest_path"].as_str().unwrap()).with_file_name("");
        // a registry package has a source; its folder may be in the workspace, because .ci/run keeps cargo's home there
        let is_ours =
            |package: &Value| package["source"].is_null() && !folder(package).starts_with(root.join("tests"));
        let used: BTreeSet<&str> = all
            .iter()
            .filter(|package| is_ours(package))
            .flat_map(|package| package["dependencies"].as_array().unwrap())
            .filter(|dependency| dependency["kind"].is_null())
            .filter_map(|dependency| dependency["name"].as_str().unwrap().strip_prefix("aws-sdk-"))
            .collect();
        let operations = |service: &str| {
            let package = all.iter().find(|package| package["name"] == format!("aws-sdk-{service}")).unwrap();
            let files = std::fs::read_dir(folder(package).join("src/operation")).unwrap();
            files
                .filter_map(|file| Some(file.unwrap().file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
                .collect()
        };
        let services = used.into_iter().map(|service| (service.to_owned(), operations(service))).collect();
        let packages = all.iter().filter(|package| is_ours(package)).map(folder).collect();
        Self { root, packages, services }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The calls of the source files without tests: the file's path in the repository, and the action.
    pub fn calls(&self) -> BTreeSet<(String, Action)> {
        let mut calls = BTreeSet::new();
        for file in self.packages.iter().flat_map(|package| sources(&package.join("src"))) {
            let source = std::fs::read_to_string(&file).unwrap();
            let name = file.strip_prefix(&self.root).unwrap().to_str().unwrap();
            calls.extend(self.called_in(&source).into_iter().map(|action| (name.to_owned(), action)));
        }
        calls
    }

    /// Every operation is a method without arguments, and no other method of the workspace is named like one.
    fn called_in(&self, source: &str) -> BTreeSet<Action> {
        let code = source.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let all = self
            .services
            .iter()
            .flat_map(|(service, all)| all.iter().map(move |operation| (service, operation)));
        let called = all.filter(|(_, operation)| code.contains(&format!(".{operation}()")));
        called.map(|(service, operation)| action(service, operation)).collect()
    }
}

/// The Rust files of a folder, without test files.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.file_stem().unwrap() != "tests"
        {
            all.push(path);
        }
    }
    all
}

/// All operations that a binary can call: the linker drops unreachable operations.
pub fn linked(binary: &Path) -> BTreeSet<Action> {
    let symbol = "aws_sdk_[a-z]+9operation[0-9]+[a-z][A-Za-z0-9_]+11orchestrate";
    let found = Command::new("grep").env("LC_ALL", "C").args(["-aoE", symbol]).arg(binary).output();
    let found =
        found.unwrap_or_else(|error| panic!("cannot run grep; install the system's package: {error}"));
    assert!(!found.stdout.is_empty(), "{} names no operation: is it stripped?", binary.display());
    std::str::from_utf8(&found.stdout).unwrap().lines().map(linked_by).collect()
}

/// The action of a symbol such as `aws_sdk_sqs9operation12send_message11SendMessage11orchestrate`.
fn linked_by(symbol: &str) -> Action {
    let (service, rest) = symbol.trim_start_matches("aws_sdk_").split_once("9operation").unwrap();
    let (length, name) = rest.split_at(rest.find(|it: char| !it.is_ascii_digit()).unwrap());
    action(service, name.split_at(length.parse().unwrap()).0)
}

/// The action of an SDK operation such as `get_item`.
fn action(service: &str, operation: &str) -> Action {
    let words = operation.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    allowed_by(service, &words.collect::<String>())
}

/// IAM's name of an operation: some operations need the permission of another one.
pub fn allowed_by(service: &str, operation: &str) -> Action {
    let action = match (service, operation) {
        ("sns", "PublishBatch") => "Publish",
        ("sqs", "SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch") => {
            operation.trim_end_matches("Batch")
        }
        (_, operation) => operation,
    };
    format!("{service}:{action}")
}

#[test]
fn calls_are_found_in_product_code_only() {
    let source = "
        // self.client.get_item() in a comment does not count
        let page = self.reader
            .query()
            .table_name(table);
        topic.publish_batch().send().await;
        let key = request.put_request();
        states.get_item(key);
\n#[cfg(test)]\nmod tests {\n client.scan().send() }";
    let found = Workspace::read().called_in(source);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["dynamodb:Query", "sns:Publish"]);
}

#[test]
fn symbol_gives_the_operation() {
    let of = |symbol| linked_by(symbol);
    assert_eq!(of("aws_sdk_dynamodb9operation8get_item7GetItem11orchestrate"), "dynamodb:GetItem");
    assert_eq!(of("aws_sdk_sns9operation13publish_batchNtB2_12PublishBatch11orchestrate"), "sns:Publish");
}
