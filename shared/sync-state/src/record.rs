use serde::{Deserialize, Serialize};

use crate::port::StateKey;
use crate::state::SyncState;

/// The stored form of a state: one flat item with the keys `session_id` and `sink`. During a canary the version before
/// reads and writes the same items, so the names and types of the attributes stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    #[serde(flatten)]
    pub key: StateKey,
    #[serde(flatten)]
    pub state: SyncState,
}
