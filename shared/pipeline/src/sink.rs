use std::sync::Arc;

use async_trait::async_trait;
use quiz_domain::reports::Stamp;
use quiz_domain::{JudgedAttempt, Problems, Quiz, SessionResult, TestSession};
use quiz_events::{Cause, Sink};
use thiserror::Error;

use crate::ports::{StagedSession, StoreError, WarehouseBatch, WarehouseError};
use crate::scope::RunScope;

/// Why a result could not be written. A retry may help, now or after the cause is fixed.
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
        matches!(self, Self::Warehouse(error) if error.concerns_one_session())
    }

    /// Whether the run's fence ended before everything was written.
    #[must_use]
    pub fn is_lease_over(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::LeaseOver { .. }) | Self::Warehouse(WarehouseError::LeaseOver { .. })
        )
    }
}

/// The counts of one written or staged result.
#[derive(Clone, Debug, Default)]
pub struct SinkCounts {
    pub written: u64,
    /// Items whose stored digest equals the new one.
    pub unchanged: u64,
    pub deleted: u64,
    /// Items that the sink could not hold.
    pub problems: Problems,
    /// The staged result, if the batch's commit writes it together with the others.
    pub staged: Option<StagedSession>,
}

/// Replaces the results of test sessions in one sink.
pub trait ResultSink: Send + Sync {
    /// The sink.
    fn sink(&self) -> Sink;

    /// The staging area of a batch of test sessions; `None` if the sink writes each test session alone.
    ///
    /// # Errors
    /// [`SinkError`] if there is no space for the staging area.
    fn begin(&self) -> Result<Option<Arc<dyn WarehouseBatch>>, SinkError> {
        Ok(None)
    }

    /// A writer for one test session.
    ///
    /// # Errors
    /// [`SinkError`] if the sink stages and `scope` has no staging area.
    fn writer(
        &self,
        quiz: &Quiz,
        session: &TestSession,
        scope: &RunScope,
    ) -> Result<Box<dyn SessionWriter>, SinkError>;
}

/// Writes one test session into a sink.
#[async_trait]
pub trait SessionWriter: Send {
    /// Whether the writer takes single attempts with their answers. A writer that takes none saves the engine most of its
    /// work.
    fn wants_attempts(&self) -> bool {
        true
    }

    /// Takes one scored attempt; attempts come by user id. Called only if [`Self::wants_attempts`].
    async fn take(&mut self, _quiz: &Quiz, _attempt: &JudgedAttempt) -> Result<(), SinkError> {
        Ok(())
    }

    /// Writes or stages the ranked result, while the fence of `scope` holds.
    async fn finish(
        self: Box<Self>,
        test: &SessionResult,
        stamp: Stamp,
        scope: &RunScope,
    ) -> Result<SinkCounts, SinkError>;
}
