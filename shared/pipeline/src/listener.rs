use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quiz_events::{ParkCause, QueueMessage, SessionChange, SessionTarget};

use crate::outcome::SyncOutcome;
use crate::stopwatch::millis;

/// More follow-ups in a row than a real exam causes: with one every 90 s, 25 hours in which each sync found a new request.
pub const LONGEST_CHAIN: u32 = 1_000;

/// Why the messages of a test session failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: &'static str,
    pub error: String,
    pub patience: Patience,
    /// The message must stay in the queue, however often it was received.
    pub held: Option<Held>,
}

/// How long failed messages are retried before they are parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Patience {
    /// Not at all: the same messages can never succeed.
    None,
    /// For [`SHORT_PATIENCE`] receives, some 20 to 45 minutes: missing data may still arrive.
    Short,
    /// For as many receives as the queue allows, more than a day: a service is down, or refuses for now.
    Long,
}

/// Receives after which a message that waits for missing data is parked.
pub const SHORT_PATIENCE: u32 = 7;

/// Why a message stays in its queue, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// The message is the anchor of a run, whose lease expires after this time.
    UnderWay(Duration),
    /// A lease without a heartbeat may be stored, which expires after this time. The message waits at least its backoff.
    LeaseLeft(Duration),
}

impl Failure {
    pub(crate) fn permanent(code: &'static str, error: String) -> Self {
        Self { code, error, patience: Patience::None, held: None }
    }

    /// A failure of missing data, or of one test session alone.
    pub(crate) fn short(code: &'static str, error: String) -> Self {
        Self { code, error, patience: Patience::Short, held: None }
    }

    /// A failure of a service, or of too little time.
    pub(crate) fn transient(code: &'static str, error: String) -> Self {
        Self { code, error, patience: Patience::Long, held: None }
    }

    /// The receive after which a message with this failure is parked; `None` if it is retried without end. `most` is the
    /// number of receives that the queue allows.
    pub(crate) fn last_receive(&self, most: Option<u32>) -> Option<u32> {
        match self.patience {
            Patience::None => Some(0),
            Patience::Short => Some(most.unwrap_or(SHORT_PATIENCE).min(SHORT_PATIENCE)),
            Patience::Long => most,
        }
    }
}

/// Why messages need no sync of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absorbed {
    /// A finished sync covers them.
    Covered,
    /// A running sync, or a follow-up in the queue, serves them.
    Joined,
    /// A follow-up was sent that serves them later.
    Deferred,
}

impl Absorbed {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::Joined => "joined",
            Self::Deferred => "deferred",
        }
    }
}

/// Receives the results of a batch, after each step.
#[async_trait]
pub trait Listener: Send + Sync {
    async fn finished(&self, outcome: &SyncOutcome);
    async fn parked(&self, message: &QueueMessage, cause: &ParkCause);

    async fn failed(&self, _target: &SessionTarget, _failure: &Failure) {}

    /// The message stays in its queue for at least `wait`.
    async fn waiting(&self, _message: &QueueMessage, _failure: &Failure, _wait: Duration) {}

    /// So many messages of a test session were joined, covered or deferred.
    async fn absorbed(&self, _target: &SessionTarget, _how: Absorbed, _messages: usize) {}

    /// A run was stopped near the deadline, and a follow-up continues it.
    async fn paused(&self, _target: &SessionTarget) {}

    /// A follow-up was sent, the `depth`th in a row.
    async fn followed_up(&self, _target: &SessionTarget, _depth: u32) {}

    /// The message requests no sync and is acknowledged.
    async fn session_changed(&self, _message: &QueueMessage, _change: SessionChange) {}

    /// The warehouse billed so many bytes for a commit.
    async fn billed(&self, _bytes: u64) {}

    /// The messages so far are settled. A batch can call this twice.
    async fn batch_ended(&self) {}
}

/// Calls several listeners, one after the other.
pub struct Listeners(pub Vec<Arc<dyn Listener>>);

#[async_trait]
impl Listener for Listeners {
    async fn finished(&self, outcome: &SyncOutcome) {
        for listener in &self.0 {
            listener.finished(outcome).await;
        }
    }

    async fn parked(&self, message: &QueueMessage, cause: &ParkCause) {
        for listener in &self.0 {
            listener.parked(message, cause).await;
        }
    }

    async fn failed(&self, target: &SessionTarget, failure: &Failure) {
        for listener in &self.0 {
            listener.failed(target, failure).await;
        }
    }

    async fn waiting(&self, message: &QueueMessage, failure: &Failure, wait: Duration) {
        for listener in &self.0 {
            listener.waiting(message, failure, wait).await;
        }
    }

    async fn absorbed(&self, target: &SessionTarget, how: Absorbed, messages: usize) {
        for listener in &self.0 {
            listener.absorbed(target, how, messages).await;
        }
    }

    async fn paused(&self, target: &SessionTarget) {
        for listener in &self.0 {
            listener.paused(target).await;
        }
    }

    async fn followed_up(&self, target: &SessionTarget, depth: u32) {
        for listener in &self.0 {
            listener.followed_up(target, depth).await;
        }
    }

    async fn session_changed(&self, message: &QueueMessage, change: SessionChange) {
        for listener in &self.0 {
            listener.session_changed(message, change).await;
        }
    }

    async fn billed(&self, bytes: u64) {
        for listener in &self.0 {
            listener.billed(bytes).await;
        }
    }

    async fn batch_ended(&self) {
        for listener in &self.0 {
            listener.batch_ended().await;
        }
    }
}

/// Writes the results to the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogListener;

#[async_trait]
impl Listener for LogListener {
    async fn finished(&self, outcome: &SyncOutcome) {
        tracing::info!(
            sink = outcome.sink.as_str(),
            session_id = outcome.session_id,
            quiz_id = outcome.quiz_id,
            participants = outcome.participants,
            ranked = outcome.ranked,
            known = outcome.known,
            written = outcome.rows_written,
            unchanged = outcome.unchanged,
            deleted = outcome.deleted,
            messages = outcome.messages,
            generation = outcome.generation,
            duration_ms = millis(outcome.duration),
            source_ms = millis(outcome.source_time),
            sink_ms = millis(outcome.sink_time),
            lag_ms = outcome.lag.map(millis),
            "sync finished"
        );
        for problem in outcome.problems.iter() {
            tracing::warn!(
                session_id = outcome.session_id,
                kind = problem.kind.code(),
                count = problem.count,
                example = problem.example,
                "problem in the documents"
            );
        }
    }

    async fn absorbed(&self, target: &SessionTarget, how: Absorbed, messages: usize) {
        let (session_id, how) = (&target.session_id, how.name());
        tracing::info!(session_id, how, messages, "messages done without a sync of their own");
    }

    async fn paused(&self, target: &SessionTarget) {
        tracing::info!(session_id = target.session_id, "sync paused near the deadline, a follow-up goes on");
    }

    async fn followed_up(&self, target: &SessionTarget, depth: u32) {
        let session_id = &target.session_id;
        if depth >= LONGEST_CHAIN {
            tracing::error!(session_id, depth, "follow-ups do not end: each sync sends another one");
        } else {
            tracing::debug!(session_id, depth, "follow-up sent");
        }
    }

    async fn session_changed(&self, message: &QueueMessage, change: SessionChange) {
        tracing::info!(
            message_id = message.message_id,
            action = change.action.as_str(),
            db_id = change.db_id,
            "session change acknowledged without a sync"
        );
    }

    async fn failed(&self, target: &SessionTarget, failure: &Failure) {
        tracing::error!(
            session_id = target.session_id,
            quiz_id = target.quiz_id,
            error_code = failure.code,
            error = failure.error,
            permanent = failure.patience == Patience::None,
            "sync failed"
        );
    }

    async fn waiting(&self, message: &QueueMessage, failure: &Failure, wait: Duration) {
        tracing::info!(
            message_id = message.message_id,
            receive_count = message.receive_count,
            error_code = failure.code,
            wait_s = wait.as_secs(),
            "message waits"
        );
    }

    async fn parked(&self, message: &QueueMessage, cause: &ParkCause) {
        tracing::error!(
            message_id = message.message_id,
            receive_count = message.receive_count,
            error_code = cause.code,
            error = cause.error,
            "message parked in the dead-letter queue"
        );
    }
}
