//! A local AWS account that is ready for a release: the foundation, an image of each function, and a copy of `deploy/`
//! with a template for ministack.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
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
const PATIENCE: Duration = Duration::from_mins(1);
const FUNCTIONS: [&str; 4] = ["sync-reports", "sync-warehouse", "notify-discord", "reconcile"];
/// The account already has GitHub's provider, because ministack cannot create the provider.
const PROVIDER: &str =
    "ExistingGitHubProviderArn=arn:aws:iam::000000000000:oidc-provider/token.actions.githubusercontent.com";

/// The key of the functions' package in the bucket of the foundation.
const PACKAGE: &str = "function.zip";

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
        account.deploy_foundation("quiz-etl-foundation", &["Environment=staging"]).await;
        account
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder of this account that comes first in the scripts' PATH.
    pub fn commands_folder(&self) -> PathBuf {
        self.path("commands")
    }

    fn copy_scripts(&self) {
        for folder in ["commands", "deploy/parameters", "home", "tmp"] {
            std::fs::create_dir_all(self.path(folder)).unwrap();
        }
        for entry in std::fs::read_dir(deploy()).unwrap() {
            let from = entry.unwrap().path();
            if from.is_file() {
                std::fs::copy(&from, self.path("deploy").join(from.file_name().unwrap())).unwrap();
            }
        }
    }

    /// Prepares an environment as in `docs/DEPLOY.md`, with an image of each function.
    pub async fn deploy_foundation(&self, name: &str, parameters: &[&str]) {
        self.update_foundation(name, parameters);
        let output = |key: &str| {
            let query = format!("Stacks[0].Outputs[?OutputKey=='{key}'].OutputValue");
            let describe = ["cloudformation", "describe-stacks", "--output", "text", "--stack-name", name];
            self.aws(&[&describe[..], &["--query", &query]].concat()).trim().to_owned()
        };
        let (bucket, registry) = (output("ArtifactsBucket"), output("Registry"));
        for function in FUNCTIONS {
            let repository = format!("{}/{function}", registry.split_once('/').unwrap().1);
            let manifest = json!({"schemaVersion": 2, "function": function}).to_string();
            let put = ["ecr", "put-image", "--repository-name", &repository, "--image-tag", COMMIT];
            self.aws(&[&put[..], &["--image-manifest", &manifest]].concat());
        }
        // no message arrives, so no function runs
        let bootstrap = self.path("bootstrap");
        std::fs::write(&bootstrap, "#!/bin/sh\nexit 1\n").unwrap();
        std::fs::write(self.path(PACKAGE), self.stack.package(&bootstrap).await.unwrap()).unwrap();
        let object = format!("s3://{bucket}/{PACKAGE}");
        self.aws(&["s3", "cp", self.path(PACKAGE).to_str().unwrap(), &object]);
        let original = std::fs::read_to_string(deploy().join("template.yaml")).unwrap();
        std::fs::write(self.path("deploy/template.yaml"), native(&original, &bucket)).unwrap();
    }

    /// Adds a resource that fails after the tables, and returns the template as it was.
    pub fn break_template(&self) -> String {
        let template = std::fs::read_to_string(self.path("deploy/template.yaml")).unwrap();
        let fails = json!({"Type": "AWS::CloudFormation::WaitCondition", "DependsOn": ["ReportsTable", "SyncStateTable"],
            "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "1"}});
        let handle = json!({"Type": "AWS::CloudFormation::WaitConditionHandle"});
        let resources = format!("\nResources: {{\"Handle\": {handle}, \"Fails\": {fails}, ");
        self.set_template(&template.replacen("\nResources: {", &resources, 1));
        template
    }

    pub fn set_template(&self, template: &str) {
        std::fs::write(self.path("deploy/template.yaml"), template).unwrap();
    }

    /// Deploys the foundation, or changes its parameters.
    pub fn update_foundation(&self, name: &str, parameters: &[&str]) {
        let template = deploy().join("foundation.yaml");
        let deploy = ["cloudformation", "deploy", "--stack-name", name, "--template-file"];
        let rest = ["--capabilities", "CAPABILITY_NAMED_IAM", "--parameter-overrides", PROVIDER];
        let repository = ["GitHubRepository=OWNER/NAME"];
        self.aws(&[&deploy[..], &[template.to_str().unwrap()], &rest, &repository, parameters].concat());
    }

    /// Runs the AWS CLI and returns its output.
    pub fn aws(&self, arguments: &[&str]) -> String {
        output(self.command(self.commands.join("aws")).args(arguments))
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let path = [self.commands_folder(), self.commands.clone()]
            .into_iter()
            .chain(std::env::split_paths(&inherited));
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
        ]);
        command
    }

    /// Runs a script of `deploy/` and returns its output.
    pub fn script(&self, name: &str, arguments: &[&str]) -> String {
        output(self.command(self.path("deploy").join(name)).args(arguments))
    }

    /// Runs a script that must fail, and returns what it prints.
    pub fn failing_script(&self, name: &str, arguments: &[&str]) -> String {
        let ended = self.command(self.path("deploy").join(name)).args(arguments).output().unwrap();
        let printed = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
        assert!(!ended.status.success(), "{name} {arguments:?}: {printed}");
        printed
    }

    pub fn release(&self) -> String {
        self.script("release", &["staging", COMMIT])
    }

    /// Writes the parameters of staging, followed by these lines.
    pub fn set_parameters(&self, lines: &str) {
        self.set_parameters_of("staging", lines);
    }

    pub fn set_parameters_of(&self, environment: &str, lines: &str) {
        let text = self.parameters.replace("Environment: staging", &format!("Environment: {environment}"));
        let file = self.path("deploy/parameters").join(format!("{environment}.yaml"));
        std::fs::write(file, format!("{text}{lines}")).unwrap();
    }

    /// Whether a release has left the file of its parameters.
    pub fn has_leftovers(&self) -> bool {
        let mut folders = std::fs::read_dir(self.path("tmp")).unwrap();
        folders.any(|folder| folder.unwrap().path().join("parameters.json").exists())
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

    /// The states of reconcile's two schedules.
    pub fn schedules(&self) -> Vec<String> {
        let rules = self.aws(&["events", "list-rules", "--query", "Rules[].State", "--output", "text"]);
        rules.split_whitespace().map(str::to_owned).collect()
    }

    /// The names of all tables of the account.
    pub fn tables(&self) -> BTreeSet<String> {
        let tables = self.aws(&["dynamodb", "list-tables", "--query", "TableNames", "--output", "text"]);
        tables.split_whitespace().map(str::to_owned).collect()
    }

    async fn described(&self) -> Described {
        let client = aws_sdk_cloudformation::Client::new(&self.config());
        let described = client.describe_stacks().stack_name("quiz-etl-staging").send().await.unwrap();
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
/// JSON, which is valid YAML.
fn native(original: &str, bucket: &str) -> String {
    let (head, _) = original.split_once("\nConditions:\n").unwrap();
    let mut template = template("template.yaml").unwrap();
    package_natively(&mut template, bucket).unwrap();
    for resource in template["Resources"].as_object_mut().unwrap().values_mut() {
        if resource["Type"] == "AWS::Serverless::Function" {
            resource["Properties"]["CodeUri"]["Key"] = Value::from(PACKAGE);
        }
    }
    let is_in_head = |name: &str| head.lines().any(|line| line.starts_with(&format!("{name}:")));
    let sections = template.as_object().unwrap().iter().filter(|(name, _)| !is_in_head(name));
    sections.fold(format!("{head}\n"), |text, (name, section)| format!("{text}{name}: {section}\n"))
}
