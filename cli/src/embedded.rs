//! The pipeline on embedded adapters: a dump folder, SQLite, an in-memory queue, and the very same
//! handler as the Lambda's.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use quiz_events::QueueMessage;
use quiz_local::{DriveReport, DumpSource, MemoryQueue, QueueSettings, SoleQueue, SqliteStore, drive};
use quiz_pipeline::batch::{BatchHandler, BatchLimits};
use quiz_pipeline::ports::SystemClock;
use quiz_pipeline::{Engine, ReportSink};
use quiz_runtime::{Environment, sqs};
use serde_json::{Value, json};
use sync_reports::{Handler, ReportSettings};
use tokio::time::Instant;

use crate::presenting::{Presenting, TopRanks};
use crate::progress::{CountedSource, CountedStore, Progress};
use crate::summary::{Collector, Summary};
use crate::{Done, Terminal};

const QUEUE_ARN: &str = "arn:aws:sqs:embedded:000000000000:reports";
const A_DAY: Duration = Duration::from_hours(24);
/// As large as a batch of SQS can be.
const BATCH: usize = 10_000;

/// What an embedded run did and where it lies.
pub struct Ran {
    pub summary: Summary,
    pub top_ranks: Vec<TopRanks>,
    pub database: PathBuf,
    /// Messages that the queue gave up because the handler itself broke down.
    pub given_up: usize,
}

impl Ran {
    /// A run whose messages were not all done has failed.
    #[must_use]
    pub fn done(&self) -> Done {
        if self.summary.parked.is_empty() && self.given_up == 0 { Done::Well } else { Done::WithFailures }
    }

    /// What was done, and where it lies, for a program to read.
    #[must_use]
    pub fn json(&self) -> Value {
        let pages: Vec<&PathBuf> = self.top_ranks.iter().map(|it| &it.page).collect();
        let mut fields = self.summary.json();
        fields.insert("reports".to_owned(), json!(self.database));
        fields.insert("overviews".to_owned(), json!(pages));
        Value::Object(fields)
    }
}

/// Sends the events to the embedded queue and runs the pipeline until it is empty.
///
/// # Errors
/// Where the output cannot be written, or the environment is wrong.
pub async fn run(
    source: DumpSource,
    events: Vec<String>,
    out: &Path,
    terminal: Terminal,
) -> anyhow::Result<Ran> {
    let settings = ReportSettings::read(Environment::of_process())?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let database = out.join("reports.db");
    let store = SqliteStore::open(&database)?;
    let clock = Arc::new(SystemClock);
    let progress = Progress::new(terminal);
    let source = CountedSource { source: Arc::new(source), progress: progress.clone() };
    let store = CountedStore { store: Arc::new(store), progress: progress.clone() };
    let sink = Arc::new(Presenting {
        sink: ReportSink::new(Arc::new(store), settings.formats),
        overviews: out.join("overview"),
        tables: Mutex::default(),
    });
    let engine = Engine::new(Arc::new(source), sink.clone(), clock.clone(), settings.excluded_users);
    let collector = Arc::new(Collector::default());
    let batches = BatchHandler {
        sync: Arc::new(engine),
        listener: collector.clone(),
        clock: clock.clone(),
        limits: BatchLimits::default(),
    };
    // one try: what fails on a folder fails again
    let settings = QueueSettings { visibility_timeout: Duration::from_secs(30), max_receive_count: Some(1) };
    let queue = Arc::new(MemoryQueue::new(settings, clock));
    for event in events {
        queue.send(event, None);
    }
    let handler = Handler::new(batches, Arc::new(SoleQueue(queue.clone())));
    let driven = drain(&queue, &handler).await;
    progress.finish();
    let top_ranks = sink.tables.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let summary = collector.summary();
    let given_up = driven.dead_letters.saturating_sub(summary.parked.len());
    Ok(Ran { summary, top_ranks, database, given_up })
}

/// As the Lambda's event source mapping does, until the queue is empty.
async fn drain(queue: &MemoryQueue, handler: &Handler) -> DriveReport {
    let answer = |messages: Vec<QueueMessage>| async move {
        let response = handler.handle(sqs::event(messages, QUEUE_ARN), Instant::now() + A_DAY).await;
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    };
    drive(queue, BATCH, answer, |_| {}).await
}
