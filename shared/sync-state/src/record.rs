use quiz_events::{SessionDescription, Sink};
use serde::{Deserialize, Serialize};

use crate::asking_again::AskedAgain;
use crate::failing::{Failing, Recovered};
use crate::port::StateKey;
use crate::state::{FollowUp, LastRun, Lease, RunResult, SyncState};

/// A state as it is stored: one flat item, whose keys are `session_id` and `sink`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    pub session_id: String,
    pub sink: Sink,
    pub revision: u64,
    pub quiz_id: String,
    pub requested_through: i64,
    pub rewrite_through: i64,
    pub synced_through: i64,
    pub generation: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_up_message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_up_due: Option<i64>,
    pub follow_up_depth: u32,
    pub crashed_runs: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionDescription>,
    pub described_at: i64,
    pub joined: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_completion: Option<i64>,
    /// As of [`RunResult::name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered_since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered_code: Option<String>,
    pub last_joined: u64,
    pub takers: u64,
    pub rows_written: u64,
    pub read_started_at: i64,
    pub read_described_at: i64,
    pub finished_at: i64,
    pub duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_again_times: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_again_at: Option<i64>,
}

impl Record {
    #[must_use]
    pub fn new(key: &StateKey, state: SyncState) -> Self {
        let (owner, lease_message, until) = match state.lease {
            Some(lease) => (Some(lease.owner), Some(lease.message_id), Some(lease.until)),
            None => (None, None, None),
        };
        let (failing_since, failing_code) = state.failing.map(|it| (it.since, it.code)).unzip();
        let (recovered_since, recovered_at, recovered_code) = match state.recovered {
            Some(it) => (Some(it.since), Some(it.at), Some(it.code)),
            None => (None, None, None),
        };
        let (follow_up_message_id, follow_up_due) = state.follow_up.map(|it| (it.message_id, it.due)).unzip();
        Self {
            session_id: key.session_id.clone(),
            sink: key.sink,
            revision: state.revision,
            quiz_id: state.quiz_id,
            requested_through: state.requested_through,
            rewrite_through: state.rewrite_through,
            synced_through: state.synced_through,
            generation: state.generation,
            lease_owner: owner,
            lease_message_id: lease_message,
            lease_until: until,
            follow_up_message_id,
            follow_up_due,
            follow_up_depth: state.follow_up_depth,
            crashed_runs: state.crashed_runs,
            session: state.session,
            described_at: state.described_at,
            joined: state.joined,
            newest_completion: state.newest_completion,
            last_outcome: state.last.result.map(|it| it.name().to_owned()),
            last_error: state.last.error,
            failing_since,
            failing_code,
            recovered_since,
            recovered_at,
            recovered_code,
            last_joined: state.last.joined,
            takers: state.last.takers,
            rows_written: state.last.rows_written,
            read_started_at: state.last.read_started_at,
            read_described_at: state.last.read_described_at,
            finished_at: state.last.finished_at,
            duration_ms: state.last.duration_ms,
            progress: state.progress,
            asked_again_times: state.asked_again.map(|it| it.times),
            asked_again_at: state.asked_again.map(|it| it.at),
        }
    }

    #[must_use]
    pub fn into_keyed(self) -> (StateKey, SyncState) {
        let key = StateKey { session_id: self.session_id.clone(), sink: self.sink };
        (key, self.into_state())
    }

    #[must_use]
    pub fn into_state(self) -> SyncState {
        let lease = self.lease_owner.zip(self.lease_until).map(|(owner, until)| Lease {
            owner,
            message_id: self.lease_message_id.unwrap_or_default(),
            until,
        });
        let follow_up = self.follow_up_message_id.zip(self.follow_up_due);
        let failing = self.failing_since.zip(self.failing_code);
        let recovered = self.recovered_since.zip(self.recovered_at).zip(self.recovered_code);
        let asked_again = self.asked_again_times.zip(self.asked_again_at);
        SyncState {
            revision: self.revision,
            quiz_id: self.quiz_id,
            requested_through: self.requested_through,
            rewrite_through: self.rewrite_through,
            synced_through: self.synced_through,
            generation: self.generation,
            lease,
            follow_up: follow_up.map(|(message_id, due)| FollowUp { message_id, due }),
            follow_up_depth: self.follow_up_depth,
            crashed_runs: self.crashed_runs,
            session: self.session,
            described_at: self.described_at,
            joined: self.joined,
            newest_completion: self.newest_completion,
            last: LastRun {
                result: self.last_outcome.as_deref().and_then(RunResult::of_name),
                error: self.last_error,
                joined: self.last_joined,
                takers: self.takers,
                rows_written: self.rows_written,
                read_started_at: self.read_started_at,
                read_described_at: self.read_described_at,
                finished_at: self.finished_at,
                duration_ms: self.duration_ms,
            },
            failing: failing.map(|(since, code)| Failing { since, code }),
            recovered: recovered.map(|((since, at), code)| Recovered { since, at, code }),
            progress: self.progress,
            asked_again: asked_again.map(|(times, at)| AskedAgain { times, at }),
        }
    }
}
