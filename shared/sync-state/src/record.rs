use serde::{Deserialize, Serialize};

use crate::port::StateKey;
use crate::state::SyncState;

/// The stored form of a state: one flat item with the keys `session_id` and `sink`. During a canary the version before
/// reads and writes the same items, so the names and types of the attributes stay. An attribute that is missing, or that
/// this version does not know, is no error.
///
/// # Examples
///
/// ```
/// use quiz_events::Sink;
/// use quiz_sync_state::{Lease, Record, StateKey, SyncState};
/// use serde_json::json;
///
/// let item = json!({
///     "session_id": "Group_6715f621e1eb083bfa9b56cc", "sink": "reports", "revision": 3,
///     "lease_owner": "a", "lease_message_id": "m-1", "lease_until": 1_714_500_060_000_i64,
///     "start_dates": [], "attribute_of_a_later_version": true,
/// });
/// let record: Record = serde_json::from_value(item)?;
/// assert_eq!(record.key.sink, Sink::Reports);
/// let lease = Lease { owner: "a".to_owned(), message_id: "m-1".to_owned(), until: 1_714_500_060_000 };
/// assert_eq!(record.state, SyncState { revision: 3, lease: Some(lease), ..SyncState::default() });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    #[serde(flatten)]
    pub key: StateKey,
    #[serde(flatten)]
    pub state: SyncState,
}
