//! The pipeline on the stack: what the deployment makes, made by hand.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "each test uses its part, and may panic")]

pub mod notices;
pub mod quizzes;
pub mod warehouse;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_lambda::types::Environment;
use quiz_sample::{SampleDocuments, write_dump};
use quiz_stack::{Delivery, FunctionSpec, MappingSpec, QueuePair, Stack, insert, unique};
use serde_json::{Map, Number, Value};
use tempfile::TempDir;
use tokio::sync::OnceCell;

pub type Item = HashMap<String, AttributeValue>;

/// Long enough for a slow machine; no test waits so long when all is well.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// A binary of this workspace, as `cargo test --workspace` has built it beside the tests.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(|deps| deps.parent()).unwrap().join(name);
    assert!(path.is_file(), "{} is missing: run `cargo test --workspace`, which builds it", path.display());
    path
}

/// Runs `quiz-etl local` on a dump of the documents; what it wrote is under `out` in the folder.
pub fn run_local(documents: &SampleDocuments, gzip: bool) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_dump(&folder.path().join("dump"), documents, gzip).unwrap();
    let local = Command::new(binary("quiz-etl"))
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

/// A function of the pipeline with the topic and queue that feed it.
pub struct Deployed {
    pub stack: &'static Stack,
    /// Of the function, its database and its queue.
    pub name: String,
    pub topic: String,
    pub queue: QueuePair,
    mapping: OnceCell<String>,
}

impl Deployed {
    /// Puts the documents into a database of their own and deploys the real binary, with `environment` beside what
    /// every sync needs.
    pub async fn new(
        binary_name: &str,
        name: String,
        documents: &SampleDocuments,
        delivery: Delivery,
        visibility: Duration,
        environment: &[(&str, &str)],
    ) -> Self {
        let stack = Stack::get().await.unwrap();
        let database = stack.mongodb().await.unwrap().database(&name);
        for (collection, documents) in [
            ("quizzes", &documents.quizzes),
            ("questions", &documents.questions),
            ("sessions", &documents.sessions),
        ] {
            insert(&database, collection, documents.clone()).await.unwrap();
        }
        let topic = stack.create_topic(&format!("{name}-events")).await.unwrap();
        let queue = stack.create_queue_pair(&name, 5, visibility).await.unwrap();
        stack.subscribe(&topic, &queue.arn, delivery).await.unwrap();
        let secrets = aws_sdk_secretsmanager::Client::new(&stack.aws_config());
        let secret = format!("{name}-mongodb-uri");
        secrets.create_secret().name(&secret).secret_string(stack.mongodb_uri()).send().await.unwrap();
        let states = format!("{name}-states");
        stack.create_sync_state_table(&states).await.unwrap();
        let mut all = vec![
            ("SYNC_STATE_TABLE", states.as_str()),
            ("SYNC_INTERVAL_SECONDS", "0"),
            ("MONGODB_URI_SECRET_ID", secret.as_str()),
            ("MONGODB_DATABASE", &name),
            ("AWS_ENDPOINT_URL", stack.aws_endpoint()),
        ];
        all.extend_from_slice(environment);
        let binary = binary(binary_name);
        let spec = FunctionSpec {
            name: &name,
            binary: &binary,
            environment: &all,
            timeout: Duration::from_mins(5),
            memory_mb: 512,
        };
        stack.deploy_function(&spec).await.unwrap();
        Self { stack, name, topic, queue, mapping: OnceCell::new() }
    }

    /// Publishes the events, then lets the function have them, up to `batch_size` at a time, which the first call
    /// decides.
    pub async fn publish(&self, events: &[String], batch_size: u16) {
        let spec = MappingSpec {
            function: &self.name,
            queue_arn: &self.queue.arn,
            batch_size,
            maximum_concurrency: Some(2),
            enabled: false,
        };
        let mapping = self.mapping.get_or_init(async || self.stack.map_queue(&spec).await.unwrap()).await;
        self.stack.enable_mapping(mapping, false).await.unwrap();
        self.stack.publish_all(&self.topic, events, &[]).await.unwrap();
        self.stack.enable_mapping(mapping, true).await.unwrap();
    }

    /// Lets the function have the messages as they come, up to `batch_size` at a time, to so many of its instances.
    pub async fn consume(&self, batch_size: u16, instances: u16) {
        let spec = MappingSpec {
            function: &self.name,
            queue_arn: &self.queue.arn,
            batch_size,
            maximum_concurrency: Some(instances),
            enabled: true,
        };
        self.mapping.get_or_init(async || self.stack.map_queue(&spec).await.unwrap()).await;
    }

    /// Changes variables of the function's environment before it first runs.
    pub async fn set_environment(&self, variables: &[(&str, &str)]) {
        let lambda = self.stack.lambda();
        let configured = lambda.get_function_configuration().function_name(&self.name).send().await.unwrap();
        let mut all = configured.environment.and_then(|it| it.variables).unwrap();
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let environment = Environment::builder().set_variables(Some(all)).build();
        let update = lambda.update_function_configuration().function_name(&self.name);
        update.environment(environment).send().await.unwrap();
    }

    /// What the function has logged, without Lambda's own lines.
    pub async fn logged(&self) -> Vec<Value> {
        let logs = self.stack.function_logs(&self.name).await.unwrap();
        logs.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// How many messages lie in the dead-letter queue.
    pub async fn dead_letters(&self) -> u64 {
        self.stack.queue_depth(&self.queue.dlq_url).await.unwrap().visible
    }

    /// Until no message is left.
    pub async fn wait(&self) {
        if let Err(error) = self.stack.wait_until_empty(&self.queue.url, PATIENCE).await {
            let logs = self.stack.function_logs(&self.name).await;
            panic!("{error:#}\n{}", logs.unwrap_or_else(|error| format!("{error:#}")));
        }
    }
}

/// The reports' function with its tables.
pub struct Pipeline {
    pub deployed: Deployed,
    pub stack: &'static Stack,
    pub queue: QueuePair,
    pub v1: String,
    pub v2: String,
    pub forms: String,
}

impl Pipeline {
    /// Puts the documents into a database of their own and deploys the real binary of sync-reports.
    pub async fn deploy(documents: &SampleDocuments, delivery: Delivery) -> Self {
        Self::deploy_telling(documents, delivery, None).await
    }

    /// The same, its notices sent to that topic.
    pub async fn deploy_telling(
        documents: &SampleDocuments,
        delivery: Delivery,
        notices: Option<&str>,
    ) -> Self {
        Self::deploy_within(documents, delivery, Duration::from_mins(10), notices).await
    }

    /// The same, with that visibility timeout of the queue.
    pub async fn deploy_within(
        documents: &SampleDocuments,
        delivery: Delivery,
        visibility: Duration,
        notices: Option<&str>,
    ) -> Self {
        let stack = Stack::get().await.unwrap();
        let name = unique("reports");
        let (v1, v2, forms) = (format!("{name}-v1"), format!("{name}-v2"), format!("{name}-forms"));
        stack.create_reports_table(&v1).await.unwrap();
        stack.create_reports_v2_table(&v2).await.unwrap();
        stack.create_form_responses_table(&forms).await.unwrap();
        let environment = [
            ("REPORT_FORMATS", "v1,v2"),
            ("REPORTS_TABLE", v1.as_str()),
            ("REPORTS_V2_TABLE", &v2),
            ("FORM_RESPONSES_TABLE", &forms),
            ("NOTICES_TOPIC_ARN", notices.unwrap_or_default()),
        ];
        let deployed =
            Deployed::new("sync-reports", name, documents, delivery, visibility, &environment).await;
        let queue = deployed.queue.clone();
        Self { deployed, stack, queue, v1, v2, forms }
    }

    /// Publishes the events, then lets the function have them.
    pub async fn publish_and_wait(&self, events: &[String]) {
        self.deployed.publish(events, 10).await;
        self.deployed.wait().await;
    }

    /// All items of a session, by the table's key.
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

/// An item as JSON, its numbers as doubles.
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

/// JSON with all numbers as doubles, and without what differs from one run to the next.
pub fn comparable(value: Value) -> Value {
    match value {
        Value::Number(number) => double(number.as_f64().unwrap()),
        Value::Array(values) => Value::Array(values.into_iter().map(comparable).collect()),
        Value::Object(fields) => {
            let of_the_run = ["inserted_at_timestamp", "sync_generation"];
            let kept = fields.into_iter().filter(|(name, _)| !of_the_run.contains(&&**name));
            Value::Object(kept.map(|(name, value)| (name, comparable(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn double(number: f64) -> Value {
    Value::Number(Number::from_f64(number).unwrap())
}
