//! The pipeline on one machine, for `demo`, `local` and `--against local`.
//!
//! It uses the handlers of the Lambda functions with embedded adapters: SQLite for reports and sync states, Parquet files
//! for the warehouse, queues in memory. The source is a dump folder or a real MongoDB.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::bail;
use quiz_events::{QueueMessage, SessionClock, Sink};
use quiz_lambda::Environment;
use quiz_lambda::config::formats;
use quiz_lambda::sqs::{self, SqsHandler};
use quiz_lambda::sync::{excluded_users, session_clock};
use quiz_local::{MemoryQueue, ParquetWarehouse, QueueSettings, drive};
use quiz_pipeline::batch::{BatchHandler, BatchLimits};
use quiz_pipeline::ports::{AnswerSource, SystemClock};
use quiz_pipeline::{Coordinator, Engine, Listeners, NoticeListener, ReportSink, Rules, WarehouseSink};
use quiz_sync_state::SyncStates;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::notices::{self, CollectedNotices, ComposedMessage};
use crate::output_folder::OutputFolder;
use crate::presenting::{Presenting, TopRanks};
use crate::progress::{CountedSource, CountedStore, CountedWarehouse, Progress};
use crate::summary::{Collector, Summary};
use crate::ui::{Done, Terminal};

const QUEUE_ARN: &str = "arn:aws:sqs:embedded:000000000000:events";
const A_DAY: Duration = Duration::from_hours(24);
/// The largest batch that SQS delivers.
const BATCH_SIZE: usize = 10_000;

/// The results of a local run, and the paths of its output.
pub struct EmbeddedRun {
    pub reports: SinkRun,
    pub warehouse: SinkRun,
    pub top_ranks: Vec<TopRanks>,
    pub database: PathBuf,
    /// The folder with the Parquet files.
    pub rows: PathBuf,
    /// The Discord messages of the notices.
    pub messages: Vec<ComposedMessage>,
    /// The file with the messages.
    pub notices: PathBuf,
}

/// The results of one sink.
pub struct SinkRun {
    pub summary: Summary,
    /// Messages that the queue gave up after a failure of the handler itself.
    pub given_up: usize,
}

impl SinkRun {
    fn is_done(&self) -> bool {
        self.summary.parked.is_empty() && self.given_up == 0
    }
}

impl EmbeddedRun {
    /// Whether all messages are done.
    #[must_use]
    pub fn done(&self) -> Done {
        if self.reports.is_done() && self.warehouse.is_done() { Done::Well } else { Done::WithFailures }
    }

    /// The output of `--json`.
    #[must_use]
    pub fn json(&self) -> Value {
        let pages: Vec<&PathBuf> = self.top_ranks.iter().map(|table| &table.page).collect();
        let mut fields = self.reports.summary.json();
        for (key, warehouse_fields) in self.warehouse.summary.json() {
            if let (Some(Value::Array(all)), Value::Array(more)) = (fields.get_mut(&key), warehouse_fields) {
                all.extend(more);
            }
        }
        fields.insert("given_up".to_owned(), json!(self.reports.given_up + self.warehouse.given_up));
        fields.insert("reports".to_owned(), json!(self.database));
        fields.insert("warehouse".to_owned(), json!(self.rows));
        fields.insert("overviews".to_owned(), json!(pages));
        fields.insert("notices".to_owned(), json!(self.notices));
        Value::Object(fields)
    }
}

/// Sends each event to a queue for each sink, as SNS does, and runs the pipeline until both queues are empty.
///
/// # Errors
/// An output that cannot be written, or wrong settings.
pub async fn run(
    source: Arc<dyn AnswerSource>,
    events: Vec<Arc<str>>,
    folder: &OutputFolder,
    terminal: Terminal,
) -> anyhow::Result<EmbeddedRun> {
    let mut env = Environment::from_process();
    let (excluded, formats) = (excluded_users(&env), formats(&mut env));
    let events = (&*events, session_clock(&mut env));
    env.finish(())?;
    let out = folder.path();
    let (database, rows) = (folder.database(), out.join("warehouse"));
    let store = folder.open_store()?;
    store.release_leases().await?;
    let progress = Progress::new(terminal);
    let source = Arc::new(CountedSource { source, progress: progress.clone() });
    let states: Arc<dyn SyncStates> = Arc::new(store.clone());
    let store = CountedStore { store: Arc::new(store), progress: progress.clone() };
    let warehouse = Arc::new(ParquetWarehouse::new(&rows));
    let warehouse = CountedWarehouse { warehouse, progress: progress.clone() };
    let presenting = Presenting {
        sink: ReportSink::new(Arc::new(store), formats),
        overviews: out.join("overview"),
        tables: Arc::default(),
    };
    let tables = presenting.tables.clone();
    let reports = Engine::new(source.clone(), Arc::new(presenting), Arc::new(SystemClock), excluded.clone());
    let collected = Arc::new(CollectedNotices::default());
    let sink = Arc::new(WarehouseSink::new(Arc::new(warehouse)));
    let warehouse = Engine::new(source, sink, Arc::new(SystemClock), excluded);
    let drained = async {
        let reports = drain(Sink::Reports, reports, states.clone(), events, collected.clone()).await?;
        let warehouse = drain(Sink::Warehouse, warehouse, states, events, collected.clone()).await?;
        anyhow::Ok((reports, warehouse))
    };
    let drained = drained.await;
    progress.finish();
    let (reports, warehouse) = drained?;
    let top_ranks = tables.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let messages = collected.messages();
    let notices = notices::write(out, &messages)?;
    Ok(EmbeddedRun { reports, warehouse, top_ranks, database, rows, messages, notices })
}

/// Delivers the messages of one sink to its handler, as an event source mapping does, until the queue is empty.
///
/// # Errors
/// The error of a sync whose state could not be stored, as on a full disk.
async fn drain(
    sink: Sink,
    engine: Engine,
    states: Arc<dyn SyncStates>,
    (events, session_clock): (&[Arc<str>], SessionClock),
    collected: Arc<CollectedNotices>,
) -> anyhow::Result<SinkRun> {
    let collector = Arc::new(Collector::default());
    let clock = Arc::new(SystemClock);
    let coordinator = Coordinator::new(states, clock.clone(), sink, Rules::embedded());
    let batches = BatchHandler {
        sync: Arc::new(engine),
        coordinator,
        listener: Arc::new(Listeners(vec![
            collector.clone(),
            Arc::new(NoticeListener::new(sink, collected, clock.clone())),
        ])),
        clock: clock.clone(),
        limits: BatchLimits::default(),
    };
    // one attempt: the summary shows failures, and the user can run the command again
    let settings = QueueSettings { visibility_timeout: Duration::from_secs(30), max_receive_count: Some(1) };
    let queue = Arc::new(MemoryQueue::new(settings, clock));
    for event in events {
        queue.send(Arc::clone(event), None);
    }
    let source = queue.clone();
    let handler =
        &SqsHandler::new(Arc::new(batches), move |_| source.clone()).with_session_clock(session_clock);
    let answer = |messages: Vec<QueueMessage>| async move {
        let response = handler.handle(sqs::event(messages, QUEUE_ARN), Instant::now() + A_DAY).await;
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    };
    let driven = tokio::select! {
        driven = drive(&queue, BATCH_SIZE, answer, |_| {}) => driven,
        error = collector.stuck() => bail!(error),
    };
    let summary = collector.summary();
    let given_up = driven.dead_letters.saturating_sub(summary.parked.len());
    Ok(SinkRun { summary, given_up })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use quiz_events::{SessionTarget, SyncRequest};
    use quiz_local::{DumpSource, SqliteStore};
    use quiz_sample::{sapa, write_dump};
    use quiz_suites::hooked::{Call, CallFailure, Hook, Hooked};

    use super::*;

    /// A disk that is full once the lease is stored.
    #[derive(Default)]
    struct FullDisk {
        is_full: AtomicBool,
    }

    #[async_trait]
    impl Hook for FullDisk {
        async fn before(&self, call: Call<'_>) -> Result<(), CallFailure> {
            match call {
                Call::SwapState if self.is_full.swap(true, Ordering::SeqCst) => {
                    Err(CallFailure::Refused("cannot write reports.db: no space left on device"))
                }
                _ => Ok(()),
            }
        }
    }

    #[tokio::test]
    async fn full_disk_ends_the_run_at_once() {
        let folder = tempfile::tempdir().unwrap();
        write_dump(folder.path(), &sapa::documents().unwrap(), false).unwrap();
        let source = Arc::new(DumpSource::open(folder.path()).unwrap());
        let quiz_id = source.quiz_ids().next().unwrap().to_owned();
        let target = SessionTarget { session_id: format!("group_{quiz_id}"), quiz_id };
        let event = SyncRequest { targets: vec![target], ..SyncRequest::default() }.to_json().to_string();
        let states = SqliteStore::open(folder.path().join("reports.db")).unwrap();
        let formats = formats(&mut Environment::from_variables([]));
        let sink = ReportSink::new(Arc::new(states.clone()), formats);
        let engine = Engine::new(source, Arc::new(sink), Arc::new(SystemClock), HashSet::new());
        let states = Arc::new(Hooked::new(Arc::new(states), Arc::new(FullDisk::default())));
        let drained =
            drain(Sink::Reports, engine, states, (&[event.into()], SessionClock::default()), Arc::default())
                .await;
        // without the early end, the run would wait for the lease, give up the message and report no error
        let error = drained.err().unwrap().to_string();
        assert!(error.contains("cannot write reports.db: no space left on device"), "{error}");
    }
}
