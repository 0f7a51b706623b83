use std::sync::Arc;

use async_trait::async_trait;
use quiz_domain::reports::Stamp;
use quiz_domain::{Problems, Quiz, TakenAttempt, Test, TestSession};
use quiz_events::{Cause, Sink};
use thiserror::Error;

use crate::ports::{StoreError, WarehouseError};
use crate::scope::RunScope;

/// Why a result could not be written. A retry may help, now or once the cause is mended.
#[derive(Debug, Error)]
pub enum SinkError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    #[error("could not write {what}: {cause}")]
    Output { what: String, cause: Cause },
}

impl SinkError {
    /// Whether the same messages can never succeed.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Warehouse(error) if error.is_of_one_test())
    }

    /// Whether the run's lease was over before all was written.
    #[must_use]
    pub fn is_lease_over(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::LeaseOver { .. }) | Self::Warehouse(WarehouseError::LeaseOver { .. })
        )
    }
}

/// What a sink did with a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkCounts {
    pub written: u64,
    /// Found in the sink as it should be.
    pub unchanged: u64,
    pub deleted: u64,
    /// What the sink could not hold.
    pub problems: Problems,
}

/// Makes tests' results what their sessions have, exactly.
pub trait ResultSink: Send + Sync {
    /// The sink that it writes.
    fn sink(&self) -> Sink;

    /// Begins a batch of tests.
    ///
    /// # Errors
    /// [`SinkError`] where there is no room for it.
    fn begin(&self) -> Result<Arc<dyn SinkBatch>, SinkError>;
}

/// The tests of one batch.
#[async_trait]
pub trait SinkBatch: Send + Sync {
    /// Begins to take a test's attempts.
    fn test(&self, quiz: &Quiz, session: &TestSession) -> Box<dyn TestWriter>;

    /// Whether a finished test is only staged, until [`SinkBatch::commit`] writes it with the others.
    fn commits_together(&self) -> bool;

    /// Writes these finished tests, by their session ids. The results are in their order.
    async fn commit(&self, session_ids: &[String]) -> Vec<Result<(), SinkError>>;
}

/// One test on its way into a sink.
#[async_trait]
pub trait TestWriter: Send {
    /// Whether it takes each attempt, with its answers: those of a form are in the ranked result anyway. What
    /// needs none spares the engine most of its work.
    fn wants_attempts(&self) -> bool {
        true
    }

    /// Takes an attempt as it is read and scored, by user id, where it wants them.
    async fn take(&mut self, quiz: &Quiz, attempt: &TakenAttempt) -> Result<(), SinkError>;

    /// Takes the ranked result: writes it, or stages it, as far as `scope` allows.
    async fn finish(
        self: Box<Self>,
        test: &Test,
        stamp: Stamp,
        scope: &RunScope,
    ) -> Result<SinkCounts, SinkError>;
}
