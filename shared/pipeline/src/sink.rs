use std::sync::Arc;

use async_trait::async_trait;
use quiz_domain::reports::Stamp;
use quiz_domain::{JudgedAttempt, Problems, Quiz, SessionResult, TestSession};
use quiz_events::{Cause, Sink};
use thiserror::Error;

use crate::ports::{StagedSession, StoreError, WarehouseBatch, WarehouseError};
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
#[derive(Clone, Debug, Default)]
pub struct SinkCounts {
    pub written: u64,
    /// Found in the sink as it should be.
    pub unchanged: u64,
    pub deleted: u64,
    /// What the sink could not hold.
    pub problems: Problems,
    /// The result is only staged: the batch's commit writes it together with the others.
    pub staged: Option<StagedSession>,
}

/// Makes the results of test sessions what their attempts give, exactly.
pub trait ResultSink: Send + Sync {
    /// The sink that it writes.
    fn sink(&self) -> Sink;

    /// The staging area of a batch of test sessions; `None` where the sink writes each test session by itself.
    ///
    /// # Errors
    /// [`SinkError`] where there is no room for it.
    fn begin(&self) -> Result<Option<Arc<dyn WarehouseBatch>>, SinkError> {
        Ok(None)
    }

    /// Begins to take the attempts of one test session.
    ///
    /// # Errors
    /// [`SinkError`] where the sink stages, and `scope` has no staging area.
    fn writer(
        &self,
        quiz: &Quiz,
        session: &TestSession,
        scope: &RunScope,
    ) -> Result<Box<dyn SessionWriter>, SinkError>;
}

/// One test on its way into a sink.
#[async_trait]
pub trait SessionWriter: Send {
    /// Whether it takes each attempt, with its answers: those of a form are in the ranked result anyway. What
    /// needs none spares the engine most of its work.
    fn wants_attempts(&self) -> bool {
        true
    }

    /// Takes an attempt as it is read and scored, by user id, where it wants them.
    async fn take(&mut self, _quiz: &Quiz, _attempt: &JudgedAttempt) -> Result<(), SinkError> {
        Ok(())
    }

    /// Takes the ranked result: writes it, or stages it, as far as `scope` allows.
    async fn finish(
        self: Box<Self>,
        test: &SessionResult,
        stamp: Stamp,
        scope: &RunScope,
    ) -> Result<SinkCounts, SinkError>;
}
