use quiz_events::SessionDescription;
use serde::{Deserialize, Deserializer, Serialize};

use crate::failing::{Failing, Recovered};
use crate::request_again::RequestedAgain;
use crate::rules::Rules;
use crate::start_dates::StartDates;

/// The sync state of one test session in one sink. The default is a test session without any request. It is stored as a
/// [`crate::Record`], one flat item; `rename` gives the attribute's name if the field has another one. All times are in ms
/// since 1970; 0 means never.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncState {
    /// One more with each change; 0 where nothing is stored.
    pub revision: u64,
    /// The quiz of the newest request; empty without any request.
    pub quiz_id: String,
    /// When the newest request was sent.
    pub requested_through: i64,
    /// When the newest forced request was received: runs rewrite unchanged items until a finished sync's read began later.
    pub rewrite_through: i64,
    /// Just before the read of the newest finished sync began; the sync covers everything until then.
    pub synced_through: i64,
    /// The generation of the newest run, greater than any before it: when the run took its lease, or one more than the
    /// generation before.
    pub generation: i64,
    /// The newest run's lease, also after it has run out; `None` once the run has ended.
    #[serde(flatten)]
    pub lease: Option<Lease>,
    /// The message in the sink's queue that stands for the requests since the last read.
    #[serde(flatten)]
    pub follow_up: Option<FollowUp>,
    /// Follow-ups sent in a row, each by the run of the one before; 0 once a sync needs none.
    pub follow_up_depth: u32,
    /// Crashed runs in a row, without a lease that has just expired: see [`SyncState::crashed_runs()`].
    pub crashed_runs: u32,
    /// The newest description of the test session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionDescription>,
    /// When that description was sent.
    pub described_at: i64,
    /// Messages that joined since the newest finished sync's read, and were acknowledged.
    pub joined: u64,
    /// The newest completion that no finished sync covers, by its sender's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_completion: Option<i64>,
    /// The newest run that ended.
    #[serde(flatten)]
    pub last: LastRun,
    /// The failed tries since the newest run that wrote.
    #[serde(flatten)]
    pub failing: Option<Failing>,
    /// The newest failures that a run has ended.
    #[serde(flatten)]
    pub recovered: Option<Recovered>,
    /// The progress of a sync that is partly written, for the run that continues it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// The start dates of its rows, in the warehouse's state. The version before drops them.
    #[serde(default = "StartDates::unknown", skip_serializing_if = "StartDates::is_unknown")]
    pub start_dates: StartDates,
    /// The digest of the quiz's key in the newest finished sync; absent if an older version made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_digest: Option<String>,
    /// The digest of the newest key for which reconcile requested a sync: no key is requested twice in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_requested: Option<String>,
    /// The requests of reconcile since the last finished sync.
    #[serde(flatten)]
    pub requested_again: Option<RequestedAgain>,
}

/// The right to sync the test session. It ends when its time is over or its holder gives it up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// The unique name of the run.
    #[serde(rename = "lease_owner")]
    pub owner: String,
    /// The anchor: the holder's message that stays in the queue, and returns if the holder dies.
    #[serde(rename = "lease_message_id", default)]
    pub message_id: String,
    /// The lease holds before this time (ms since 1970).
    #[serde(rename = "lease_until")]
    pub until: i64,
}

/// A delayed request that a sync has sent to its own queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FollowUp {
    /// SQS's id of the message.
    #[serde(rename = "follow_up_message_id")]
    pub message_id: String,
    /// The message becomes visible at this time (ms since 1970).
    #[serde(rename = "follow_up_due")]
    pub due: i64,
}

/// The newest run that ended, as shown to people. All times are in ms since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct LastRun {
    #[serde(rename = "last_outcome", deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    pub result: Option<RunResult>,
    /// Why a run failed; kept until a run succeeds.
    #[serde(rename = "last_error", skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Messages that had joined when the read began.
    #[serde(rename = "last_joined")]
    pub joined: u64,
    /// Students with an attempt that counts.
    #[serde(rename = "takers")]
    pub participants: u64,
    /// Report items, or warehouse rows.
    pub rows_written: u64,
    /// When the run began to read.
    pub read_started_at: i64,
    /// When the description that the run used was sent.
    pub read_described_at: i64,
    /// When the run ended.
    pub finished_at: i64,
    pub duration_ms: u64,
}

/// Reads a result; a name that only another version knows counts as none.
fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RunResult>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    Ok(name.and_then(|name| RunResult::from_name(&name)))
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunResult {
    /// Everything of its read is written.
    Finished,
    /// Failed, and its messages are retried.
    Failed,
    /// Failed, and its messages go to the dead-letter queue.
    Parked,
    /// Stopped near the function's deadline; a follow-up continues it.
    Paused,
}

impl RunResult {
    const ALL: [Self; 4] = [Self::Finished, Self::Failed, Self::Parked, Self::Paused];

    /// The name that is stored and shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Parked => "parked",
            Self::Paused => "paused",
        }
    }

    /// The result with this name; `None` if this version knows no such result.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|result| result.name() == name)
    }
}

impl SyncState {
    /// The lease that holds at `now` (ms since 1970).
    #[must_use]
    pub fn held(&self, now: i64) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| now < lease.until)
    }

    /// Whether a run must rewrite unchanged items.
    #[must_use]
    pub fn is_to_rewrite(&self, rules: &Rules) -> bool {
        self.rewrite_through > 0 && !self.has_synced(self.rewrite_through, rules)
    }

    /// Whether a finished sync covers a request sent at `through` (ms since 1970).
    #[must_use]
    pub fn has_synced(&self, through: i64, rules: &Rules) -> bool {
        self.synced_through > 0 && rules.covers(self.synced_through.saturating_add(1), through)
    }
}
