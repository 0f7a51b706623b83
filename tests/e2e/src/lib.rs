//! Deploys the pipeline on the local stack from `deploy/template.yaml`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "helpers of tests, which may panic"
)]

pub mod quizzes;
pub mod warehouse;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use quiz_sample::{SampleDocuments, write_dump};
use quiz_stack::{
    Delivery, Deployment, DeploymentOptions, QueuePair, Release, Stack, TcpGate, insert, unique,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};
use tempfile::TempDir;

pub type Item = HashMap<String, AttributeValue>;

/// The longest wait of a test; long enough for a slow machine.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// A binary of this workspace that `cargo test --workspace` has built with the tests.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(|deps| deps.parent()).unwrap().join(name);
    assert!(path.is_file(), "{} is missing: run `cargo test --workspace`, which builds it", path.display());
    path
}

/// Runs `quiz-etl local` on a dump of the documents; the output is in the folder `out`.
pub fn run_local(documents: &SampleDocuments, gzip: bool) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_dump(&folder.path().join("dump"), documents, gzip).unwrap();
    let local = Command::new(binary("quiz-etl"))
        .env_clear()
        .args(["local", "--source"])
        .arg(folder.path().join("dump"))
        .arg("--out")
        .arg(folder.path().join("out"))
        .env("REPORT_FORMATS", "v1,v2")
        .output()
        .unwrap();
    assert!(local.status.success(), "{}", String::from_utf8_lossy(&local.stderr));
    folder
}

/// Runs a program in the stack's Python and parses its output as JSON.
pub async fn run_python<T: DeserializeOwned>(
    program: &str,
    args: impl IntoIterator<Item: AsRef<OsStr>>,
) -> T {
    let python = Stack::get().await.unwrap().python().unwrap();
    let ran = Command::new(python).args(["-c", program]).args(args).env("TZ", "UTC").output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// Inserts the documents into a new database and deploys the template with the real binaries. The functions get messages
/// after [`Deployed::publish`] or [`Deployed::consume`].
pub async fn deploy(documents: &SampleDocuments, parameters: &[(&str, &str)]) -> Arc<Deployment> {
    deploy_release(Release::of_workspace(&binaries()), documents, parameters).await
}

/// Like [`deploy`], with the template and the binaries of any release.
pub async fn deploy_release(
    release: Release<'_>,
    documents: &SampleDocuments,
    parameters: &[(&str, &str)],
) -> Arc<Deployment> {
    let stack = Stack::get().await.unwrap();
    let name = unique("pipeline");
    let database = stack.mongodb().await.unwrap().database(&name);
    for (collection, documents) in [
        ("quizzes", &documents.quizzes),
        ("questions", &documents.questions),
        ("sessions", &documents.sessions),
    ] {
        insert(&database, collection, documents.clone()).await.unwrap();
    }
    let mut all = vec![("SyncIntervalSeconds", "0")];
    all.extend_from_slice(parameters);
    let options = DeploymentOptions { release, parameters: &all, consumes: false };
    Arc::new(Deployment::create(stack, &name, &options).await.unwrap())
}

/// A gate before the stack's MongoDB, and the name of a secret with a URI through the gate. Without a given timeout the
/// driver's default holds for a server that does not answer.
pub async fn mongodb_gate(deployment: &Deployment, patience: Option<Duration>) -> (TcpGate, String) {
    let stack = Stack::get().await.unwrap();
    let (_, server) = stack.mongodb_uri().split_once("://").unwrap();
    let server = server.split(['/', '?']).next().unwrap().rsplit('@').next().unwrap();
    let gate = TcpGate::start(server).await.unwrap();
    let mut uri = stack.mongodb_uri().replacen(server, &gate.address().to_string(), 1);
    if let Some(patience) = patience {
        let separator = if uri.contains('?') { "&" } else { "/?" };
        write!(uri, "{separator}serverSelectionTimeoutMS={}", patience.as_millis()).unwrap();
    }
    let secret = format!("{}-mongodb-uri-by-the-gate", deployment.name());
    stack.create_secret(&secret, &uri).await.unwrap();
    (gate, secret)
}

/// The ends of the names of a deployment's tables, those of reports first.
pub const TABLES: [&str; 6] = [
    "student_quiz_reports",
    "student_quiz_reports_v2",
    "form_question_responses",
    "quiz_sync_state",
    "quiz_notice_memory",
    "quiz_snapshots",
];

/// The folder of this workspace's binaries.
pub fn binaries() -> PathBuf {
    binary("quiz-etl").parent().unwrap().to_owned()
}

pub fn deployment_options<'a>(
    binaries: &'a Path,
    parameters: &'a [(&'a str, &'a str)],
    consumes: bool,
) -> DeploymentOptions<'a> {
    DeploymentOptions { release: Release::of_workspace(binaries), parameters, consumes }
}

/// A function of a deployment with its queue.
pub struct Deployed {
    pub stack: &'static Stack,
    pub deployment: Arc<Deployment>,
    /// The function's name in the template.
    function: &'static str,
    /// The function's name in Lambda.
    pub name: String,
    pub topic: String,
    pub queue: QueuePair,
    mapping: String,
}

impl Deployed {
    pub async fn of(deployment: &Arc<Deployment>, function: &'static str, queue: &str) -> Self {
        let stack = Stack::get().await.unwrap();
        let mapping = deployment.mapping(function).await.unwrap();
        let topic = if queue == "notices" { "notices" } else { "events" };
        Self {
            stack,
            deployment: Arc::clone(deployment),
            function,
            name: deployment.function(function),
            topic: deployment.topic(topic),
            queue: deployment.queue(queue),
            mapping,
        }
    }

    /// Changes the form in which the topic delivers messages to the queue.
    pub async fn deliver(&self, delivery: Delivery) {
        self.stack.deliver(&self.topic, &self.queue.arn, delivery).await.unwrap();
    }

    /// Changes the queue's visibility timeout.
    pub async fn set_visibility(&self, timeout: Duration) {
        let set = self.stack.sqs().set_queue_attributes().queue_url(&self.queue.url);
        let seconds = timeout.as_secs().to_string();
        set.attributes(QueueAttributeName::VisibilityTimeout, seconds).send().await.unwrap();
    }

    /// Publishes the events, then enables the function with this batch size.
    pub async fn publish(&self, events: &[String], batch_size: u16) {
        self.stack.enable_mapping(&self.mapping, false).await.unwrap();
        self.stack.publish_all(&self.topic, events, &[]).await.unwrap();
        self.consume(batch_size, 2).await;
    }

    /// Enables the function with this batch size and number of concurrent invocations.
    pub async fn consume(&self, batch_size: u16, instances: u16) {
        self.stack.pace_mapping(&self.mapping, batch_size, instances).await.unwrap();
        self.stack.enable_mapping(&self.mapping, true).await.unwrap();
    }

    /// Stops the delivery of messages to the function.
    pub async fn pause(&self) {
        self.stack.enable_mapping(&self.mapping, false).await.unwrap();
    }

    /// Changes variables of the function's environment before its first run.
    pub async fn set_environment(&self, variables: &[(&str, &str)]) {
        self.deployment.set_environment(self.function, variables).await.unwrap();
    }

    /// The function's log lines, without Lambda's own lines.
    pub async fn logged(&self) -> Vec<Value> {
        let logs = self.stack.function_logs(&self.name).await.unwrap();
        logs.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The number of messages in the dead-letter queue.
    pub async fn dead_letters(&self) -> u64 {
        self.stack.queue_depth(&self.queue.dlq_url).await.unwrap().visible
    }

    /// Waits until no message is left.
    pub async fn wait(&self) {
        if let Err(error) = self.stack.wait_until_empty(&self.queue.url, PATIENCE).await {
            let logs = self.stack.function_logs(&self.name).await;
            panic!("{error:#}\n{}", logs.unwrap_or_else(|error| format!("{error:#}")));
        }
    }
}

/// The function sync-reports with its tables.
pub struct Pipeline {
    pub deployed: Deployed,
    pub stack: &'static Stack,
    pub queue: QueuePair,
    pub v1: String,
    pub v2: String,
    pub forms: String,
}

impl Pipeline {
    /// Deploys the pipeline on these documents and enables sync-reports.
    pub async fn deploy(documents: &SampleDocuments, delivery: Delivery) -> Self {
        let pipeline = Self::of(&deploy(documents, &[]).await).await;
        pipeline.deployed.deliver(delivery).await;
        pipeline
    }

    pub async fn of(deployment: &Arc<Deployment>) -> Self {
        let deployed = Deployed::of(deployment, "sync-reports", "reports").await;
        let (stack, queue) = (deployed.stack, deployed.queue.clone());
        let v1 = deployment.table("student_quiz_reports");
        let v2 = deployment.table("student_quiz_reports_v2");
        let forms = deployment.table("form_question_responses");
        Self { deployed, stack, queue, v1, v2, forms }
    }

    /// Publishes the events and waits until the function has handled them.
    pub async fn publish_and_wait(&self, events: &[String]) {
        self.deployed.publish(events, 10).await;
        self.deployed.wait().await;
    }

    /// All items of a test session, by the table's key.
    pub async fn session_items(&self, table: &str, session_id: &str) -> Vec<Value> {
        let query = self.stack.dynamodb().query().table_name(table);
        let pages = query
            .key_condition_expression("session_id = :session")
            .expression_attribute_values(":session", AttributeValue::S(session_id.to_owned()))
            .into_paginator()
            .items()
            .send();
        pages.collect::<Result<Vec<Item>, _>>().await.unwrap().into_iter().map(json).collect()
    }
}

/// An item as JSON, with its numbers as doubles.
pub fn json(item: Item) -> Value {
    Value::Object(item.into_iter().map(|(name, value)| (name, json_value(value))).collect())
}

fn json_value(value: AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => Value::String(text),
        AttributeValue::N(number) => double(number.parse().unwrap()),
        AttributeValue::Bool(flag) => Value::Bool(flag),
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::L(values) => Value::Array(values.into_iter().map(json_value).collect()),
        AttributeValue::M(fields) => json(fields),
        other => panic!("no report has {other:?}"),
    }
}

/// JSON with all numbers as doubles, without the fields that differ between two runs.
pub fn comparable(value: Value) -> Value {
    match value {
        Value::Number(number) => double(number.as_f64().unwrap()),
        Value::Array(values) => Value::Array(values.into_iter().map(comparable).collect()),
        Value::Object(fields) => {
            let run_fields = ["inserted_at_timestamp", "sync_generation"];
            let kept = fields.into_iter().filter(|(name, _)| !run_fields.contains(&&**name));
            Value::Object(kept.map(|(name, value)| (name, comparable(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn double(number: f64) -> Value {
    Value::Number(Number::from_f64(number).unwrap())
}
