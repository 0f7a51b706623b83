use serde::{Deserialize, Serialize};

/// An action of an operator that changes something. The command sends it before the action begins.
///
/// No field names a student.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorActed {
    /// The action's name, such as `sync-force`. A text, so that an older reader keeps the action of a newer command.
    pub action: String,
    /// The name that the operator gave, else the operator's login name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The ARN of the operator's AWS credentials.
    pub identity: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The target in words, such as `7 messages of reports-dlq (--code unknown_quiz)`.
    pub target: String,
    /// The number of test sessions, messages or students in the target.
    pub count: u64,
    /// The first test sessions of the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub session_ids: Vec<String>,
    /// The version of the command, with its commit if known: `0.1.0 (0123456789ab)`.
    pub version: String,
}

impl OperatorActed {
    /// Sync test sessions.
    pub const SYNC: &str = "sync";
    /// Sync test sessions and rewrite unchanged items.
    pub const SYNC_FORCE: &str = "sync-force";
    /// Sync many test sessions.
    pub const BACKFILL: &str = "backfill";
    /// Send parked messages back to their queues.
    pub const REPLAY: &str = "replay";
    /// Delete parked messages.
    pub const DROP: &str = "drop";
    /// Erase one student.
    pub const ERASE: &str = "erase";
}
