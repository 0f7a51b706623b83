//! A scripted sync and a queue that notes what it is told.
#![allow(clippy::unwrap_used, dead_code, reason = "helpers of several test files, which may panic")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use quiz_events::QueueMessage;
use quiz_pipeline::batch::{BatchHandler, BatchLimits, BatchReport};
use quiz_pipeline::ports::{
    Cause, ParkCause, QueueError, SourceError, SourceQueue, SystemClock, WarehouseError,
};
use quiz_pipeline::{
    Listener, LogListener, SessionRequest, SessionSync, SinkError, SyncBatch, SyncError, SyncOutcome, Synced,
};
use tokio::time::Instant;

/// Syncs by the name of the session: `bad` fails, `panics`, `hangs`, `unknown`; the rest succeed after
/// a second.
#[derive(Default)]
pub struct Scripted {
    pub synced: Mutex<Vec<String>>,
    pub running: AtomicUsize,
    pub most_running: AtomicUsize,
    /// Whether tests are only staged, for a commit together.
    pub commits: bool,
    /// How many tests each commit had.
    pub commits_of: Mutex<Vec<usize>>,
}

/// Begins batches that are one and the same script.
struct Scripting(Arc<Scripted>);

impl SessionSync for Scripting {
    fn begin(&self) -> Result<Arc<dyn SyncBatch>, SyncError> {
        Ok(self.0.clone())
    }
}

#[async_trait]
impl SyncBatch for Scripted {
    async fn sync(&self, request: &SessionRequest) -> Result<Synced, SyncError> {
        let session = request.target.session_id.clone();
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let hours = u64::from(session.starts_with("hangs"));
        tokio::time::sleep(Duration::from_secs(1 + 3600 * hours)).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        assert!(!session.starts_with("panics"), "scripted panic");
        if session.starts_with("bad") {
            let cause = "connection refused".into();
            return Err(SourceError::Unavailable { what: "quiz".into(), cause }.into());
        }
        if session.starts_with("unknown") {
            let quiz_id = request.target.quiz_id.clone();
            return Err(SyncError::UnknownQuiz { session_id: session, quiz_id });
        }
        self.synced.lock().unwrap().push(session.clone());
        let outcome = SyncOutcome {
            sink: "reports",
            session_id: session,
            quiz_id: request.target.quiz_id.clone(),
            test_name: String::new(),
            takers: 0,
            ranked: 0,
            written: 0,
            deleted: 0,
            messages: request.messages,
            started_at: jiff::Timestamp::UNIX_EPOCH,
            duration: Duration::ZERO,
            newest_completion: None,
            lag: None,
            figures: quiz_domain::CohortFigures::default(),
            histogram: None,
            problems: quiz_domain::Problems::default(),
        };
        Ok(if self.commits { Synced::Staged(outcome) } else { Synced::Done(outcome) })
    }

    async fn commit(&self, staged: Vec<SyncOutcome>) -> Vec<Result<SyncOutcome, SyncError>> {
        self.commits_of.lock().unwrap().push(staged.len());
        if staged.iter().any(|it| it.session_id.contains("stalls the commit")) {
            tokio::time::sleep(Duration::from_hours(1)).await;
        }
        let refuses = |outcome: SyncOutcome| {
            if outcome.session_id.starts_with("refused") {
                let (session_id, cause) = (outcome.session_id, Cause::from("row 3, field rank: no number"));
                return Err(SinkError::from(WarehouseError::Rows { session_id, cause: cause.into() }).into());
            }
            Ok(outcome)
        };
        staged.into_iter().map(refuses).collect()
    }
}

/// A queue that notes what it is told.
#[derive(Default)]
pub struct Notes {
    pub parked: Mutex<HashMap<String, ParkCause>>,
    pub delayed: Mutex<HashMap<String, Duration>>,
    pub parking_fails: bool,
}

#[async_trait]
impl SourceQueue for Notes {
    async fn park(&self, message: &QueueMessage, cause: &ParkCause) -> Result<(), QueueError> {
        if self.parking_fails {
            let message_id = message.message_id.clone();
            return Err(QueueError::Message {
                action: "park",
                message_id,
                cause: "no dead-letter queue".into(),
            });
        }
        self.parked.lock().unwrap().insert(message.message_id.clone(), cause.clone());
        Ok(())
    }

    async fn delay(&self, message: &QueueMessage, delay: Duration) -> Result<(), QueueError> {
        self.delayed.lock().unwrap().insert(message.message_id.clone(), delay);
        Ok(())
    }

    async fn max_receive_count(&self) -> Result<Option<u32>, QueueError> {
        Ok(Some(5))
    }
}

pub fn message(id: &str, body: &str) -> QueueMessage {
    QueueMessage { message_id: id.into(), body: body.into(), receive_count: 1, ..QueueMessage::default() }
}

pub fn of(id: &str, session: &str) -> QueueMessage {
    message(id, &format!(r#"{{"session_id":"{session}","quiz_id":"q"}}"#))
}

pub async fn handle(messages: &[QueueMessage], queue: &Notes, seconds: u64) -> (BatchReport, Arc<Scripted>) {
    run(Scripted::default(), BatchLimits::default(), messages, queue, seconds).await
}

pub async fn run(
    script: Scripted,
    limits: BatchLimits,
    messages: &[QueueMessage],
    queue: &Notes,
    seconds: u64,
) -> (BatchReport, Arc<Scripted>) {
    run_telling(script, limits, Arc::new(LogListener), messages, queue, seconds).await
}

pub async fn run_telling(
    script: Scripted,
    limits: BatchLimits,
    listener: Arc<dyn Listener>,
    messages: &[QueueMessage],
    queue: &Notes,
    seconds: u64,
) -> (BatchReport, Arc<Scripted>) {
    let script = Arc::new(script);
    let handler = BatchHandler {
        sync: Arc::new(Scripting(script.clone())),
        listener,
        clock: Arc::new(SystemClock),
        limits,
    };
    let report = handler.handle(messages, queue, Instant::now() + Duration::from_secs(seconds)).await;
    (report, script)
}
