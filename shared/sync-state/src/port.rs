use async_trait::async_trait;
use quiz_events::{Cause, Sink};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::state::SyncState;

/// The key of a state: a test session and a sink.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StateKey {
    pub session_id: String,
    pub sink: Sink,
}

/// Why a state could not be read or stored.
#[derive(Debug, Error)]
pub enum StateError {
    /// The store or the network failed, or throttles; a retry may help. A change may have been stored.
    #[error("could not {action} the sync state of session {session_id}: {cause}")]
    Unavailable { action: &'static str, session_id: String, cause: Cause },
    /// The table is missing, its keys are others, or access is denied; a retry cannot help until this is fixed.
    #[error("cannot {action} the sync state of session {session_id}: {cause}")]
    Refused { action: &'static str, session_id: String, cause: Cause },
}

/// A store of sync states.
#[async_trait]
pub trait SyncStates: Send + Sync {
    /// The state as stored now; the default if there is none.
    async fn get(&self, key: &StateKey) -> Result<SyncState, StateError>;

    /// Stores `next` with the revision after `seen`'s, if the stored state still has the revision of `seen`. Returns whether
    /// it was stored.
    async fn swap(&self, key: &StateKey, seen: &SyncState, next: &SyncState) -> Result<bool, StateError>;

    /// The states of these keys, in their order; the default if there is none. A store that reads many keys in one
    /// request overrides it.
    async fn get_many(&self, keys: &[StateKey]) -> Result<Vec<SyncState>, StateError> {
        let mut states = Vec::with_capacity(keys.len());
        for key in keys {
            states.push(self.get(key).await?);
        }
        Ok(states)
    }

    /// All stored states, sorted by session id and sink. States of sinks that this version does not know are skipped,
    /// with one warning for all of them.
    async fn all(&self) -> Result<Vec<(StateKey, SyncState)>, StateError>;
}
