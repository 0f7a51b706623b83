use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::SyncError;
use crate::outcome::SyncOutcome;
use crate::ports::{StagedSession, WarehouseBatch};
use crate::request::SessionRequest;
use crate::scope::RunScope;

/// Syncs test sessions: a batch of messages knows nothing else of them.
#[async_trait]
pub trait SessionSync: Send + Sync {
    /// The staging area of a batch of test sessions; `None` where each test session is written by itself.
    ///
    /// # Errors
    /// [`SyncError`] where there is no room for it.
    fn begin(&self) -> Result<Option<Arc<dyn WarehouseBatch>>, SyncError> {
        Ok(None)
    }

    /// Reads, scores and ranks one test session, and writes or stages its result, as far as `scope` allows.
    async fn sync(&self, request: &SessionRequest, scope: &RunScope) -> Result<Synced, SyncError>;

    /// Those of these users who have an ended attempt at the quiz, each with the time at which its document was last
    /// written, where the document has it.
    async fn ended(
        &self,
        quiz_id: &str,
        user_ids: &[String],
    ) -> Result<HashMap<String, Option<Timestamp>>, SyncError>;
}

/// How far the sync of a test session has come.
#[derive(Clone, Debug)]
pub enum Synced {
    /// All is written.
    Done(SyncOutcome),
    /// Read, scored and staged. [`WarehouseBatch::replace`] writes it together with the batch's others, and then
    /// [`SyncOutcome::committed`] completes the outcome.
    Staged(SyncOutcome, StagedSession),
}
