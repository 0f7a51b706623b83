//! Measures a pass of reconcile over a long history: time, peak memory and requests, with the memory limited.
//!
//! `cargo run --release -p quiz-benches --example history`
//!
//! The pass is the function's own code. Its DynamoDB is a server on loopback that makes each state on request, so planting
//! takes no time. Each measurement is a process of its own under `ulimit -v`.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

#[expect(clippy::indexing_slicing, reason = "a missing value of a JSON object reads as null")]
mod history_table;

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use clap::Parser;
use history_table::{History, HistoryTable, quiz_id};
use jiff::Timestamp;
use quiz_benches::{MarkdownTable, Usage, megabytes};
use quiz_domain::KeyDigest;
use quiz_dynamo::{DynamoStates, IndexProgress};
use quiz_events::{PublishError, RequestTopic, SyncRequest};
use quiz_lambda::config::PassLimits;
use quiz_pipeline::ports::{CompletedQuiz, LastAnswer, SourceError, SystemClock};
use quiz_pipeline::{Dimension, Meter, Metric};
use reconcile::{Answers, Reconciler, Window};
use tokio::time::Instant;

#[derive(Parser)]
struct Options {
    /// Numbers of sync states; each test session has two.
    #[arg(long, value_delimiter = ',', default_values_t = [20_000, 200_000, 2_000_000])]
    states: Vec<u64>,
    /// Test sessions that wait for a sync, spread over the history.
    #[arg(long, default_value_t = 500)]
    unfinished: u64,
    /// Quizzes with answers in the look-back, the newest of the history.
    #[arg(long, default_value_t = 5_000)]
    answered: u64,
    /// Delay of each answer of DynamoDB, in milliseconds.
    #[arg(long, default_value_t = 5)]
    latency: u64,
    /// Virtual memory of a pass, in MiB.
    #[arg(long, default_value_t = 512)]
    memory: u64,
    /// Leave out the first pass, which reads the whole history.
    #[arg(long)]
    no_first: bool,
    /// Measure this server's states in this process, and print JSON.
    #[arg(long, hide = true)]
    endpoint: Option<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(endpoint) = &options.endpoint {
        let history = history(&options, *options.states.first().context("no number of states")?);
        let usage = Box::pin(measure(endpoint, history)).await?;
        println!("{}", serde_json::to_string(&usage)?);
        return Ok(());
    }
    let mut table = MarkdownTable::new([
        "states",
        "pass",
        "seconds",
        "peak MB",
        "Query",
        "BatchGetItem",
        "Scan",
        "PutItem",
        "others",
    ]);
    for states in &options.states {
        let passes = [("every pass", true), ("first pass, which indexes", false)];
        for (pass, is_indexed) in
            passes.into_iter().filter(|(_, is_indexed)| *is_indexed || !options.no_first)
        {
            let history = history(&options, *states);
            let server =
                HistoryTable::start(history, is_indexed, Duration::from_millis(options.latency)).await?;
            let usage = limited(&options, *states, server.endpoint()).await;
            let usage = usage.with_context(|| format!("{pass} over {states} states"))?;
            let mut counts = server.counts();
            let mut count = |operation: &str| counts.remove(operation).unwrap_or_default().to_string();
            let mut cells = vec![
                states.to_string(),
                pass.to_owned(),
                format!("{:.1}", usage.seconds),
                format!("{:.0}", megabytes(usage.peak)),
            ];
            cells.extend(["Query", "BatchGetItem", "Scan", "PutItem"].map(&mut count));
            cells.push(counts.values().sum::<u64>().to_string());
            table.add(cells);
        }
    }
    println!("{table}");
    Ok(())
}

fn history(options: &Options, states: u64) -> History {
    History { sessions: states / 2, unfinished: options.unfinished }
}

/// Runs this executable again, with its virtual memory limited.
async fn limited(options: &Options, states: u64, endpoint: &str) -> Result<Usage> {
    let mut child = Command::new("sh");
    child
        .args(["-c", r#"ulimit -v "$1" && shift && exec "$@""#, "sh"])
        .arg((options.memory * 1_024).to_string())
        .arg(std::env::current_exe().context("cannot find the path of this executable")?)
        .args(["--states", &states.to_string(), "--unfinished", &options.unfinished.to_string()])
        .args(["--answered", &options.answered.to_string(), "--endpoint", endpoint])
        .stderr(Stdio::inherit());
    // the wait must not block the server, which runs in this process
    let output = tokio::task::spawn_blocking(move || child.output()).await?;
    let output = output.context("cannot run this executable again")?;
    ensure!(output.status.success(), "the measured process failed, {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// One pass, which first makes the indexes complete.
async fn measure(endpoint: &str, history: History) -> Result<Usage> {
    let answered = Options::parse().answered;
    let config = Config::builder()
        .http_client(quiz_lambda::aws::http_client())
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("ap-south-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "bench"))
        .endpoint_url(endpoint);
    let states = DynamoStates::new(Client::from_conf(config.build()), "quiz_sync_state".to_owned());
    let services = Arc::new(Services { history, answered });
    let reconciler = Reconciler {
        states: Arc::new(states.clone()),
        answers: services.clone(),
        events: services.clone(),
        notices: None,
        meter: services,
        clock: Arc::new(SystemClock),
        limits: PassLimits::default(),
    };
    let work = async {
        let deadline = Instant::now() + Duration::from_hours(1);
        ensure!(states.prepare_indexes(deadline).await? == IndexProgress::Ready, "the index is not complete");
        Ok(reconciler.pass(Duration::from_hours(24), deadline).await?)
    };
    let (summary, usage) = Usage::measure(Box::pin(work)).await?;
    ensure!(summary.behind >= history.unfinished, "{summary:?}");
    Ok(usage)
}

/// The services of a pass other than DynamoDB.
struct Services {
    history: History,
    answered: u64,
}

#[async_trait]
impl Answers for Services {
    async fn answered(&self, window: Window, _patience: Duration) -> Result<Vec<LastAnswer>, SourceError> {
        let first = self.history.sessions.saturating_sub(self.answered);
        let answer = |number| LastAnswer { quiz_id: quiz_id(number), at: window.since };
        Ok((first..self.history.sessions).map(answer).collect())
    }

    async fn completed(
        &self,
        _quiz_ids: &[String],
        _window: Window,
        _patience: Duration,
    ) -> Result<Vec<CompletedQuiz>, SourceError> {
        Ok(Vec::new())
    }

    async fn keys(&self, _quiz_ids: &[String]) -> Result<HashMap<String, KeyDigest>, SourceError> {
        Ok(HashMap::new())
    }

    async fn titles(&self, quiz_ids: &[String]) -> Result<HashMap<String, Option<String>>, SourceError> {
        Ok(quiz_ids.iter().map(|quiz_id| (quiz_id.clone(), None)).collect())
    }
}

#[async_trait]
impl RequestTopic for Services {
    async fn publish(&self, requests: &[SyncRequest]) -> Vec<Result<(), PublishError>> {
        requests.iter().map(|_| Ok(())).collect()
    }
}

impl Meter for Services {
    fn record(&self, _dimension: Dimension, _measured: &[(Metric, u64)]) {}
}

/// Some minutes before the measurement (ms since 1970).
fn minutes_ago(minutes: i64) -> i64 {
    Timestamp::now().as_millisecond() - minutes * 60_000
}
