use std::time::Duration;

use async_trait::async_trait;
use quiz_events::{QueueMessage, SessionTarget};

use crate::outcome::SyncOutcome;
use crate::ports::ParkCause;
use crate::stopwatch::millis;

/// More follow-ups in a row than a real exam brings: at one in 90 s, 25 hours in which each of them found a request
/// that its sync had not seen.
pub const LONGEST_CHAIN: u32 = 1_000;

/// Why a test's messages did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: &'static str,
    pub error: String,
    /// The same messages can never succeed.
    pub permanent: bool,
    /// The message must stay in the queue, whatever its count of receives.
    pub held: Option<Held>,
}

/// Why a message stays in its queue, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// A run stands on it, whose lease is over by then.
    UnderWay(Duration),
    /// A lease may be stored that nobody keeps; it is over by then. The message backs off besides.
    LeaseLeft(Duration),
}

impl Failure {
    pub(crate) fn permanent(code: &'static str, error: String) -> Self {
        Self { code, error, permanent: true, held: None }
    }

    pub(crate) fn temporary(code: &'static str, error: String) -> Self {
        Self { code, error, permanent: false, held: None }
    }
}

/// How a test's messages are done without a sync of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absorbed {
    /// A complete sync has seen what they tell.
    Covered,
    /// A run that is under way, or a follow-up that is on its way, does it.
    Joined,
    /// A follow-up was sent that does it later.
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

/// Is told what becomes of a batch, after it happened.
#[async_trait]
pub trait Listener: Send + Sync {
    async fn finished(&self, outcome: &SyncOutcome);
    async fn failed(&self, target: &SessionTarget, failure: &Failure);
    async fn parked(&self, message: &QueueMessage, cause: &ParkCause);

    /// So many messages of a test are done without a sync of their own.
    async fn absorbed(&self, _target: &SessionTarget, _how: Absorbed, _messages: usize) {}

    /// A run had to stop near the deadline, and a follow-up goes on with it.
    async fn paused(&self, _target: &SessionTarget) {}

    /// A follow-up was sent, the `depth`th in a row.
    async fn followed_up(&self, _target: &SessionTarget, _depth: u32) {}

    /// All of the batch is settled.
    async fn batch_ended(&self) {}
}

/// Writes it to the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogListener;

#[async_trait]
impl Listener for LogListener {
    async fn finished(&self, outcome: &SyncOutcome) {
        tracing::info!(
            sink = outcome.sink,
            session_id = outcome.session_id,
            quiz_id = outcome.quiz_id,
            takers = outcome.takers,
            ranked = outcome.ranked,
            known = outcome.known,
            written = outcome.written,
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

    async fn failed(&self, target: &SessionTarget, failure: &Failure) {
        tracing::error!(
            session_id = target.session_id,
            quiz_id = target.quiz_id,
            error_code = failure.code,
            error = failure.error,
            permanent = failure.permanent,
            "sync failed"
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
