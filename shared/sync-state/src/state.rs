use quiz_events::SessionDescription;
use serde::{Deserialize, Deserializer, Serialize};

use crate::failing::{Failing, Recovered};
use crate::request_again::RequestedAgain;
use crate::rules::Rules;

/// One test's sync into one sink. Its default is a test that was never asked for. It is stored as a [`crate::Record`]:
/// the attributes of what it consists of lie side by side, named by `rename` where the field has another name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncState {
    /// One more with each change; 0 where nothing is stored.
    pub revision: u64,
    pub quiz_id: String,
    /// The newest request that a holder, or a follow-up, has taken on.
    pub requested_through: i64,
    /// The newest forced request: until a complete sync's read began later, a run writes all.
    pub rewrite_through: i64,
    /// Just before the read of the newest complete sync began: it has seen all that was there then.
    pub synced_through: i64,
    /// Of the newest run; greater than any before it.
    pub generation: i64,
    #[serde(flatten)]
    pub lease: Option<Lease>,
    /// A message in the sink's queue that stands for what was asked for since the last read.
    #[serde(flatten)]
    pub follow_up: Option<FollowUp>,
    /// Follow-ups sent in a row, each by the run that the one before it began; 0 once a sync leaves none.
    pub follow_up_depth: u32,
    /// Crashed runs in a row that a later run has seen: see [`SyncState::crashed_runs`].
    pub crashed_runs: u32,
    /// The newest description of the test, and when it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionDescription>,
    pub described_at: i64,
    /// Messages that joined since the newest complete sync's read, and were acknowledged.
    pub joined: u64,
    /// The newest completion that they, or a run that did not finish, told of, by its sender's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_completion: Option<i64>,
    #[serde(flatten)]
    pub last: LastRun,
    /// Tries that fail since the newest sync that did not.
    #[serde(flatten)]
    pub failing: Option<Failing>,
    /// The newest failures that a run has put an end to.
    #[serde(flatten)]
    pub recovered: Option<Recovered>,
    /// How far a sync has come that is half written, as its sink notes it for the run that goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// How the reconcile schedule has asked for it since the last complete sync.
    #[serde(flatten)]
    pub requested_again: Option<RequestedAgain>,
}

/// The right to sync the test. It is over when its time is, or its holder ends it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    #[serde(rename = "lease_owner")]
    pub owner: String,
    /// The holder's message that stays in the queue while it works: where the holder dies, it comes back.
    #[serde(rename = "lease_message_id", default)]
    pub message_id: String,
    #[serde(rename = "lease_until")]
    pub until: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FollowUp {
    #[serde(rename = "follow_up_message_id")]
    pub message_id: String,
    /// It is received no sooner.
    #[serde(rename = "follow_up_due")]
    pub due: i64,
}

/// What people are told of the newest run that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct LastRun {
    #[serde(rename = "last_outcome", deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    pub result: Option<RunResult>,
    /// Why it failed; kept until one succeeds.
    #[serde(rename = "last_error", skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many had joined when its read began.
    #[serde(rename = "last_joined")]
    pub joined: u64,
    #[serde(rename = "takers")]
    pub participants: u64,
    pub rows_written: u64,
    pub read_started_at: i64,
    /// When the description was sent that it used.
    pub read_described_at: i64,
    pub finished_at: i64,
    pub duration_ms: u64,
}

/// A result that only another version knows is none.
fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RunResult>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    Ok(name.and_then(|name| RunResult::from_name(&name)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunResult {
    Finished,
    /// Its messages come again.
    Failed,
    /// Failed, and its messages go to the dead-letter queue.
    Parked,
    /// Stopped at the function's deadline, to go on in another.
    Paused,
}

impl RunResult {
    const ALL: [Self; 4] = [Self::Finished, Self::Failed, Self::Parked, Self::Paused];

    /// As it is stored and shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Parked => "parked",
            Self::Paused => "paused",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

impl SyncState {
    /// The lease that holds now.
    #[must_use]
    pub fn held(&self, now: i64) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| now < lease.until)
    }

    /// Whether a run is to write all, also what is unchanged.
    #[must_use]
    pub fn is_to_rewrite(&self, rules: &Rules) -> bool {
        self.rewrite_through > 0 && !self.has_synced(self.rewrite_through, rules)
    }

    /// Whether a complete sync has seen what was asked for at `through`.
    #[must_use]
    pub fn has_synced(&self, through: i64, rules: &Rules) -> bool {
        self.synced_through > 0 && rules.covers(self.synced_through.saturating_add(1), through)
    }
}
