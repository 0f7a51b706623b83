use async_trait::async_trait;
use quiz_events::{Cause, Sink};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::state::SyncState;

/// The key of a state: a test session and a sink. Keys are sorted by session id, then by the sink's name.
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
///
/// A caller reads a state, decides by the rules, and stores its decision by [`SyncStates::swap`]. If the swap returns
/// `false`, another invocation was faster: the caller reads the state again and decides again.
///
/// # Examples
///
/// Two invocations read the same state. The second swap finds a newer revision and stores nothing.
///
/// ```
/// use quiz_sync_state::{StateError, StateKey, SyncState, SyncStates};
///
/// async fn note_request(states: &dyn SyncStates, key: &StateKey, through: i64) -> Result<(), StateError> {
///     loop {
///         let seen = states.get(key).await?;
///         let next = SyncState { requested_through: seen.requested_through.max(through), ..seen.clone() };
///         if states.swap(key, &seen, &next).await? {
///             return Ok(());
///         }
///     }
/// }
/// # use std::{collections::BTreeMap, pin::pin, sync::Mutex, task::{Context, Poll, Waker}};
/// # use quiz_events::Sink;
/// # #[derive(Default)]
/// # struct InMemory(Mutex<BTreeMap<StateKey, SyncState>>);
/// # #[async_trait::async_trait]
/// # impl SyncStates for InMemory {
/// #     async fn get(&self, key: &StateKey) -> Result<SyncState, StateError> {
/// #         Ok(self.0.lock().unwrap().get(key).cloned().unwrap_or_default())
/// #     }
/// #     async fn swap(&self, key: &StateKey, seen: &SyncState, next: &SyncState) -> Result<bool, StateError> {
/// #         let mut states = self.0.lock().unwrap();
/// #         let stored = states.entry(key.clone()).or_default();
/// #         let is_unchanged = stored.revision == seen.revision;
/// #         if is_unchanged {
/// #             *stored = SyncState { revision: seen.revision + 1, ..next.clone() };
/// #         }
/// #         Ok(is_unchanged)
/// #     }
/// #     async fn get_unfinished(&self) -> Result<Vec<(StateKey, SyncState)>, StateError> {
/// #         let states = self.0.lock().unwrap().clone();
/// #         Ok(states.into_iter().filter(|(_, state)| state.is_unfinished()).collect())
/// #     }
/// #     async fn get_by_quiz(&self, quiz_ids: &[String]) -> Result<Vec<(StateKey, SyncState)>, StateError> {
/// #         let states = self.0.lock().unwrap().clone();
/// #         Ok(states.into_iter().filter(|(_, state)| quiz_ids.contains(&state.quiz_id)).collect())
/// #     }
/// # }
/// # async fn example() -> Result<(), StateError> {
/// # let states = InMemory::default();
///
/// let key = StateKey { session_id: "Group_6715f621e1eb083bfa9b56cc".to_owned(), sink: Sink::Reports };
/// let seen = states.get(&key).await?;
/// assert_eq!((seen.revision, &seen), (0, &SyncState::default()));
/// note_request(&states, &key, 20_000).await?; // another invocation
///
/// let next = SyncState { requested_through: 10_000, ..seen.clone() };
/// assert!(!states.swap(&key, &seen, &next).await?, "the other invocation was faster");
/// note_request(&states, &key, 10_000).await?; // reads again
/// let stored = states.get(&key).await?;
/// assert_eq!((stored.revision, stored.requested_through), (2, 20_000));
/// # Ok(())
/// # }
/// # let done = pin!(example()).poll(&mut Context::from_waker(Waker::noop()));
/// # assert!(matches!(done, Poll::Ready(Ok(()))), "the store in memory answers at once");
/// ```
#[async_trait]
pub trait SyncStates: Send + Sync {
    /// The state as stored now; the default if there is none.
    ///
    /// # Errors
    /// [`StateError`], as for each method of the port.
    async fn get(&self, key: &StateKey) -> Result<SyncState, StateError>;

    /// Stores `next` with the revision after `seen`'s, if the stored state still has the revision of `seen`. Returns whether
    /// it was stored.
    ///
    /// # Errors
    /// After [`StateError::Unavailable`], `next` may be stored all the same: the next read shows it.
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

    /// The stored states that are [unfinished](SyncState::is_unfinished), sorted by session id and sink. Finished states do
    /// not make the call slower, so it stays fast as the history grows. States of sinks that this version does not know
    /// are skipped, with one warning for all of them. A state that has just changed may be missing.
    async fn get_unfinished(&self) -> Result<Vec<(StateKey, SyncState)>, StateError>;

    /// The stored states whose quiz is one of these, sorted by session id and sink. The call takes longer with more
    /// quizzes, not with more history. Unknown sinks and states that have just changed: as for
    /// [`SyncStates::get_unfinished`].
    async fn get_by_quiz(&self, quiz_ids: &[String]) -> Result<Vec<(StateKey, SyncState)>, StateError>;
}
