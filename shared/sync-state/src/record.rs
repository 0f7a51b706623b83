use serde::{Deserialize, Serialize};

use crate::port::StateKey;
use crate::state::SyncState;

/// A state as it is stored: one flat item, whose keys are `session_id` and `sink`. The version before reads and writes
/// the same items during a canary, so the names and types of the attributes stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    #[serde(flatten)]
    pub key: StateKey,
    #[serde(flatten)]
    pub state: SyncState,
}
