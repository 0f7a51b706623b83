//! A local AWS account that is ready for a release: the foundation, an image of each function, and a copy of `deploy/`
//! with a template for ministack.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::anyhow;
use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::Stack as Described;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use quiz_stack::{REGION, Stack, deployment_commands, eventually, package_natively, template};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::release::parameters::{check_tools, deploy};

pub const COMMIT: &str = "c0ffee";
const NAME: &str = "quiz-etl-staging";
const PATIENCE: Duration = Duration::from_mins(1);
const FUNCTIONS: [&str; 4] = ["sync-reports", "sync-warehouse", "notify-discord", "reconcile"];
/// The account already has GitHub's provider, because ministack cannot create the provider.
const PROVIDER: &str =
    "ExistingGitHubProviderArn=arn:aws:iam::000000000000:oidc-provider/token.actions.githubusercontent.com";

pub struct Account {
    stack: &'static Stack,
    /// The account's number, which is also the access key: ministack keeps one account for each access key.
    id: String,
    folder: TempDir,
    commands: PathBuf,
    parameters: String,
}

impl Account {
    pub async fn create() -> Self {
        check_tools(&["bash", "awk"]);
        let stack = Stack::get().await.unwrap();
        let commands = tokio::task::spawn_blocking(deployment_commands).await.unwrap().unwrap();
        let id = fastrand::u64(100_000_000_000..1_000_000_000_000).to_string();
        let parameters = std::fs::read_to_string(deploy().join("parameters/staging.yaml")).unwrap();
        let parameters = parameters.replace("BigQueryProject: \"\"", "BigQueryProject: project");
        let account = Self { stack, id, folder: tempfile::tempdir().unwrap(), commands, parameters };
        account.copy_scripts();
        account.set_parameters("");
        account.deploy_foundation();
        account
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn copy_scripts(&self) {
        for folder in ["deploy/parameters", "deploy/function", "home/.aws-sam", "tmp"] {
            std::fs::create_dir_all(self.path(folder)).unwrap();
        }
        for entry in std::fs::read_dir(deploy()).unwrap() {
            let from = entry.unwrap().path();
            if from.is_file() {
                std::fs::copy(&from, self.path("deploy").join(from.file_name().unwrap())).unwrap();
            }
        }
        let original = std::fs::read_to_string(deploy().join("template.yaml")).unwrap();
        std::fs::write(self.path("deploy/template.yaml"), native(&original)).unwrap();
        // no message arrives, so no function runs
        let bootstrap = self.path("deploy/function/bootstrap");
        std::fs::write(&bootstrap, "#!/bin/sh\nexit 1\n").unwrap();
        std::fs::set_permissions(&bootstrap, std::fs::Permissions::from_mode(0o755)).unwrap();
        // in the year 2100, so that SAM does not check PyPI for a newer version
        let metadata = json!({"lastVersionCheck": 4_102_444_800_u64}).to_string();
        std::fs::write(self.path("home/.aws-sam/metadata.json"), metadata).unwrap();
    }

    /// Prepares the account as in `docs/DEPLOY.md`, with an image of each function.
    fn deploy_foundation(&self) {
        let template = deploy().join("foundation.yaml");
        let deploy = ["cloudformation", "deploy", "--stack-name", "quiz-etl-foundation", "--template-file"];
        let mut aws = self.command(self.commands.join("aws"));
        aws.args(deploy).arg(template).args(["--capabilities", "CAPABILITY_NAMED_IAM"]);
        aws.args(["--parameter-overrides", "Environment=staging", "GitHubRepository=OWNER/NAME", PROVIDER]);
        output(&mut aws);
        for function in FUNCTIONS {
            let repository = format!("quiz-etl/{function}");
            let manifest = json!({"schemaVersion": 2, "function": function}).to_string();
            let mut aws = self.command(self.commands.join("aws"));
            aws.args(["ecr", "put-image", "--repository-name", &repository, "--image-tag", COMMIT]);
            output(aws.args(["--image-manifest", &manifest]));
        }
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(self.commands.clone()).chain(std::env::split_paths(&inherited));
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.folder.path()).env("PATH", std::env::join_paths(path).unwrap());
        command.env("HOME", self.path("home")).env("TMPDIR", self.path("tmp"));
        command.envs([
            ("AWS_ENDPOINT_URL", self.stack.aws_endpoint()),
            ("AWS_REGION", REGION),
            // the same for version 1 of the command, the version on PyPI
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", &self.id),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("SAM_CLI_TELEMETRY", "0"),
        ]);
        command
    }

    /// Runs a script of `deploy/` and returns its output.
    pub fn script(&self, name: &str, arguments: &[&str]) -> String {
        output(self.command(self.path("deploy").join(name)).args(arguments))
    }

    pub fn release(&self) -> String {
        self.script("release", &["staging", COMMIT])
    }

    /// Writes the parameters of staging, followed by these lines.
    pub fn set_parameters(&self, lines: &str) {
        let text = format!("{}{lines}", self.parameters);
        std::fs::write(self.path("deploy/parameters/staging.yaml"), text).unwrap();
    }

    /// Whether a release has left the file of its parameters; SAM leaves empty folders.
    pub fn has_leftovers(&self) -> bool {
        let mut folders = std::fs::read_dir(self.path("tmp")).unwrap();
        folders.any(|folder| folder.unwrap().path().join("parameters.yaml").exists())
    }

    fn config(&self) -> SdkConfig {
        let credentials = Credentials::new(&self.id, "test", None, None, "account");
        let config = self.stack.aws_config().to_builder();
        config.credentials_provider(SharedCredentialsProvider::new(credentials)).build()
    }

    /// Waits until the mappings of all three queues have this state.
    pub async fn wait_for_mappings(&self, state: &str) {
        let lambda = aws_sdk_lambda::Client::new(&self.config());
        let probe = async || {
            let found = lambda.list_event_source_mappings().send().await?;
            let states: Vec<&str> =
                found.event_source_mappings().iter().filter_map(|mapping| mapping.state()).collect();
            if states == [state; 3] { Ok(Some(())) } else { Err(anyhow!("{states:?}")) }
        };
        eventually(&format!("three mappings that are {state}"), PATIENCE, probe).await.unwrap();
    }

    /// The states of reconcile's two schedules. SAM reads an `Enabled` that is not a constant as true.
    pub fn schedules(&self) -> Vec<String> {
        let mut aws = self.command(self.commands.join("aws"));
        let rules =
            output(aws.args(["events", "list-rules", "--query", "Rules[].State", "--output", "text"]));
        rules.split_whitespace().map(str::to_owned).collect()
    }

    async fn described(&self) -> Described {
        let client = aws_sdk_cloudformation::Client::new(&self.config());
        let described = client.describe_stacks().stack_name(NAME).send().await.unwrap();
        described.stacks()[0].clone()
    }

    /// The parameters of the deployed stack.
    pub async fn parameters(&self) -> BTreeMap<String, String> {
        let described = self.described().await;
        let pair = |parameter: &aws_sdk_cloudformation::types::Parameter| {
            (parameter.parameter_key().unwrap().to_owned(), parameter.parameter_value().unwrap().to_owned())
        };
        described.parameters().iter().map(pair).collect()
    }

    /// The time of the stack's last change.
    pub async fn last_change(&self) -> String {
        format!("{:?}", self.described().await.last_updated_time())
    }
}

/// The names of the template's parameters.
pub fn parameter_names() -> BTreeSet<String> {
    template("template.yaml").unwrap()["Parameters"].as_object().unwrap().keys().cloned().collect()
}

fn output(command: &mut Command) -> String {
    let ended = command.output().unwrap();
    let printed = [ended.stdout, ended.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    assert!(ended.status.success(), "{command:?}: {}\n{printed}", ended.status);
    printed
}

/// Adapts the template to ministack. The parameters stay unchanged, because `deploy/release` reads them. The rest becomes
/// JSON, which is valid YAML. SAM packages the folder `function`.
fn native(original: &str) -> String {
    let (head, _) = original.split_once("\nConditions:\n").unwrap();
    let mut template = template("template.yaml").unwrap();
    package_natively(&mut template, "unused").unwrap();
    for resource in template["Resources"].as_object_mut().unwrap().values_mut() {
        if resource["Type"] == "AWS::Serverless::Function" {
            resource["Properties"]["CodeUri"] = Value::from("function");
        }
    }
    let is_in_head = |name: &str| head.lines().any(|line| line.starts_with(&format!("{name}:")));
    let sections = template.as_object().unwrap().iter().filter(|(name, _)| !is_in_head(name));
    sections.fold(format!("{head}\n"), |text, (name, section)| format!("{text}{name}: {section}\n"))
}
