use async_trait::async_trait;
use quiz_events::{QueueMessage, SessionTarget};

use crate::outcome::SyncOutcome;
use crate::ports::ParkCause;

/// Why a test's messages did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: &'static str,
    pub error: String,
    /// The same messages can never succeed.
    pub permanent: bool,
}

/// Is told what becomes of a batch, after it happened.
#[async_trait]
pub trait Listener: Send + Sync {
    async fn finished(&self, outcome: &SyncOutcome);
    async fn failed(&self, target: &SessionTarget, failure: &Failure);
    async fn parked(&self, message: &QueueMessage, cause: &ParkCause);

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
            written = outcome.written,
            deleted = outcome.deleted,
            messages = outcome.messages,
            duration_ms = millis(outcome.duration),
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

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
