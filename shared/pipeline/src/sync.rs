use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use quiz_events::SessionTarget;

use crate::error::SyncError;
use crate::outcome::SyncOutcome;
use crate::ports::{StagedSession, WarehouseBatch};
use crate::request::SessionRequest;
use crate::scope::RunScope;

/// Syncs test sessions, for the batch.
#[async_trait]
pub trait SessionSync: Send + Sync {
    /// The staging area of a batch of test sessions; `None` if each test session is written alone.
    ///
    /// # Errors
    /// [`SyncError`] if there is no space for the staging area.
    fn begin(&self) -> Result<Option<Arc<dyn WarehouseBatch>>, SyncError> {
        Ok(None)
    }

    /// Reads, scores and ranks one test session, and writes or stages its result, while the fence of `scope` holds.
    async fn sync(&self, request: &SessionRequest, scope: &RunScope) -> Result<Synced, SyncError>;

    /// The users among `user_ids` with an ended attempt at the quiz of `target`, each with the time of the attempt's last
    /// write, if the document has that time.
    ///
    /// # Errors
    /// [`SyncError::SessionIdOfAttempt`] if the session id is the `_id` of an attempt of these users.
    async fn ended(
        &self,
        target: &SessionTarget,
        user_ids: &[String],
    ) -> Result<HashMap<String, Option<Timestamp>>, SyncError>;
}

/// How far the sync of a test session has come.
#[derive(Clone, Debug)]
pub enum Synced {
    /// Everything is written.
    Done(SyncOutcome),
    /// Read, scored and staged. [`WarehouseBatch::replace`] commits it together with the others of the batch, then
    /// [`SyncOutcome::committed`] completes the outcome.
    Staged(SyncOutcome, StagedSession),
}
