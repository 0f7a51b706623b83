use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::SyncError;
use crate::outcome::SyncOutcome;
use crate::request::SessionRequest;
use crate::scope::RunScope;

/// Syncs tests: a batch of messages knows nothing else of them.
pub trait SessionSync: Send + Sync {
    /// Begins a batch of tests, which may share their last step.
    ///
    /// # Errors
    /// [`SyncError`] where there is no room for it.
    fn begin(&self) -> Result<Arc<dyn SyncBatch>, SyncError>;
}

/// How far a test's sync has come.
#[derive(Clone, Debug, PartialEq)]
pub enum Synced {
    /// All is written.
    Done(SyncOutcome),
    /// Read, scored and staged; [`SyncBatch::commit`] writes it, together with the batch's others.
    Staged(SyncOutcome),
}

/// The tests of one batch.
#[async_trait]
pub trait SyncBatch: Send + Sync {
    /// Reads, scores and ranks one test, and writes or stages its result, as far as `scope` allows.
    async fn sync(&self, request: &SessionRequest, scope: &RunScope) -> Result<Synced, SyncError>;

    /// Of these users those who have an ended attempt at the quiz, each with the time at which its document was last
    /// written, where that is told.
    async fn ended(
        &self,
        quiz_id: &str,
        user_ids: &[String],
    ) -> Result<HashMap<String, Option<Timestamp>>, SyncError>;

    /// Writes what these tests have staged. The results are in their order.
    async fn commit(&self, staged: Vec<SyncOutcome>) -> Vec<Result<SyncOutcome, SyncError>>;
}
