//! A scripted sync, and a queue that records its calls.
#![allow(clippy::unwrap_used, dead_code, reason = "helpers of several test files, which may panic")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use quiz_domain::rows::RowBatch;
use quiz_events::{Cause, ParkCause, QueueError, QueueMessage, SessionTarget, Sink, SourceQueue};
use quiz_pipeline::batch::{BatchLimits, BatchReport};
use quiz_pipeline::ports::{SourceError, StagedSession, WarehouseBatch, WarehouseError};
use quiz_pipeline::{
    Listener, LogListener, RunScope, SessionRequest, SessionSync, SinkError, SyncError, SyncOutcome, Synced,
};
use quiz_suites::function::{SyncFunction, staged_session};
use quiz_sync_state::{StateError, StateKey, SyncState, SyncStates};
use tokio::time::Instant;

/// Syncs by the name of the session: `bad` fails, `panics`, `hangs`, `unknown`, `attempt`, `refused`; the rest succeed
/// after a second. A session whose name contains `unanswered` begins with a write request that gets no answer.
#[derive(Default)]
pub struct Scripted {
    pub synced: Mutex<Vec<String>>,
    /// Whether each sync rewrites unchanged items.
    pub rewrites: Mutex<Vec<bool>>,
    pub running: AtomicUsize,
    pub most_running: AtomicUsize,
    /// Whether test sessions are staged for a joint commit.
    pub commits: bool,
    /// The number of test sessions in each commit.
    pub commit_sizes: Mutex<Vec<usize>>,
    /// Whether no batch can begin.
    pub cannot_begin: bool,
}

/// Syncs by a script, which is also the staging area of its batches.
pub struct Scripting(pub Arc<Scripted>);

#[async_trait]
impl SessionSync for Scripting {
    fn begin(&self) -> Result<Option<Arc<dyn WarehouseBatch>>, SyncError> {
        if self.0.cannot_begin {
            return Err(SinkError::from(WarehouseError::unavailable("stage rows", "no space left")).into());
        }
        let staging: Arc<dyn WarehouseBatch> = self.0.clone();
        Ok(self.0.commits.then_some(staging))
    }

    async fn ended(
        &self,
        _target: &SessionTarget,
        user_ids: &[String],
    ) -> Result<HashMap<String, Option<Timestamp>>, SyncError> {
        let there = user_ids.iter().filter(|user| !user.starts_with("absent"));
        Ok(there.map(|user| (user.clone(), None)).collect())
    }

    async fn sync(&self, request: &SessionRequest, scope: &RunScope) -> Result<Synced, SyncError> {
        let script = &self.0;
        let session = request.target.session_id.clone();
        if session.contains("unanswered") {
            drop(scope.fence.send());
        }
        let running = script.running.fetch_add(1, Ordering::SeqCst) + 1;
        script.most_running.fetch_max(running, Ordering::SeqCst);
        let hours = u64::from(session.starts_with("hangs"));
        tokio::time::sleep(Duration::from_secs(1 + 3600 * hours)).await;
        script.running.fetch_sub(1, Ordering::SeqCst);
        assert!(!session.starts_with("panics"), "scripted panic");
        if session.starts_with("bad") {
            let cause = "connection refused".into();
            return Err(SourceError::Unavailable { what: "quiz".into(), cause }.into());
        }
        if session.starts_with("unknown") {
            let quiz_id = request.target.quiz_id.clone();
            return Err(SyncError::UnknownQuiz { session_id: session, quiz_id });
        }
        if session.starts_with("attempt") {
            let quiz_id = request.target.quiz_id.clone();
            return Err(SyncError::SessionIdOfAttempt { session_id: session, quiz_id });
        }
        if session.starts_with("refused") && !script.commits {
            return Err(SinkError::from(refused(session)).into());
        }
        script.synced.lock().unwrap().push(session.clone());
        script.rewrites.lock().unwrap().push(scope.rewrite);
        let outcome = SyncOutcome {
            sink: Sink::Reports,
            session_id: session,
            quiz_id: request.target.quiz_id.clone(),
            messages: request.messages,
            backfill_id: request.backfill_id.clone(),
            generation: scope.generation,
            started_at: scope.read_started_at,
            start_date: script.commits.then_some(Date::MIN),
            ..SyncOutcome::default()
        };
        if !script.commits {
            return Ok(Synced::Done(outcome));
        }
        let staged = staged_session(&outcome.session_id, scope);
        Ok(Synced::Staged(outcome, staged))
    }
}

#[async_trait]
impl WarehouseBatch for Scripted {
    async fn stage(&self, _session_id: &str, _rows: RowBatch) -> Result<(), WarehouseError> {
        Ok(())
    }

    async fn replace(&self, sessions: &[StagedSession]) -> Vec<Result<(), WarehouseError>> {
        self.commit_sizes.lock().unwrap().push(sessions.len());
        if sessions.iter().any(|session| session.session_id.contains("stalls-the-commit")) {
            tokio::time::sleep(Duration::from_hours(1)).await;
        }
        let refuses = |session_id: &String| {
            if session_id.starts_with("refused") { Err(refused(session_id.clone())) } else { Ok(()) }
        };
        sessions.iter().map(|session| refuses(&session.session_id)).collect()
    }
}

fn refused(session_id: String) -> WarehouseError {
    let cause = Cause::from("row 3, field rank: no number");
    WarehouseError::Rows { session_id, cause: cause.into() }
}

/// Sync states in memory.
#[derive(Default)]
pub struct States(pub Mutex<HashMap<StateKey, SyncState>>);

#[async_trait]
impl SyncStates for States {
    async fn get(&self, key: &StateKey) -> Result<SyncState, StateError> {
        Ok(self.0.lock().unwrap().get(key).cloned().unwrap_or_default())
    }

    async fn swap(&self, key: &StateKey, seen: &SyncState, next: &SyncState) -> Result<bool, StateError> {
        let mut states = self.0.lock().unwrap();
        let is_seen = states.get(key).map_or(0, |state| state.revision) == seen.revision;
        if is_seen {
            states.insert(key.clone(), SyncState { revision: seen.revision + 1, ..next.clone() });
        }
        Ok(is_seen)
    }

    async fn get_unfinished(&self) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        Ok(Vec::new())
    }

    async fn get_by_quiz(&self, _quiz_ids: &[String]) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        Ok(Vec::new())
    }
}

/// A queue that records its calls.
#[derive(Default)]
pub struct RecordingQueue {
    pub parked: Mutex<HashMap<String, ParkCause>>,
    pub delayed: Mutex<HashMap<String, Duration>>,
    /// Messages deleted before the batch ended.
    pub acknowledged: Mutex<Vec<String>>,
    /// Follow-ups, each with its delay.
    pub sent: Mutex<Vec<(String, Duration)>>,
    pub parking_fails: bool,
    /// Receives that the queue allows beyond five.
    pub more_receives: u32,
}

#[async_trait]
impl SourceQueue for RecordingQueue {
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

    async fn send(&self, body: &str, _event_type: &str, delay: Duration) -> Result<String, QueueError> {
        let mut sent = self.sent.lock().unwrap();
        sent.push((body.to_owned(), delay));
        Ok(format!("follow-up-{}", sent.len()))
    }

    async fn acknowledge(&self, messages: &[&QueueMessage]) -> Result<(), QueueError> {
        self.acknowledged.lock().unwrap().extend(messages.iter().map(|message| message.message_id.clone()));
        Ok(())
    }

    async fn delay(&self, message: &QueueMessage, delay: Duration) -> Result<(), QueueError> {
        self.delayed.lock().unwrap().insert(message.message_id.clone(), delay);
        Ok(())
    }

    async fn max_receive_count(&self) -> Result<Option<u32>, QueueError> {
        Ok(Some(5 + self.more_receives))
    }
}

pub fn message(id: &str, body: &str) -> QueueMessage {
    QueueMessage { message_id: id.into(), body: body.into(), receive_count: 1, ..QueueMessage::default() }
}

pub fn sync_message(id: &str, session: &str) -> QueueMessage {
    message(id, &format!(r#"{{"session_id":"{session}","quiz_id":"q"}}"#))
}

pub async fn handle(
    messages: &[QueueMessage],
    queue: &RecordingQueue,
    seconds: u64,
) -> (BatchReport, Arc<Scripted>) {
    run(Scripted::default(), BatchLimits::default(), messages, queue, seconds).await
}

pub async fn run(
    script: Scripted,
    limits: BatchLimits,
    messages: &[QueueMessage],
    queue: &RecordingQueue,
    seconds: u64,
) -> (BatchReport, Arc<Scripted>) {
    run_with_listener(script, limits, Arc::new(LogListener), messages, queue, seconds).await
}

pub async fn run_with_listener(
    script: Scripted,
    limits: BatchLimits,
    listener: Arc<dyn Listener>,
    messages: &[QueueMessage],
    queue: &RecordingQueue,
    seconds: u64,
) -> (BatchReport, Arc<Scripted>) {
    let script = Arc::new(script);
    let function = SyncFunction::new(Arc::new(States::default())).listener(listener).limits(limits);
    let handler = function.handler_of(Sink::Reports, Arc::new(Scripting(script.clone())));
    let report = handler.handle(messages, queue, Instant::now() + Duration::from_secs(seconds)).await;
    (report, script)
}
