//! Test sessions that cannot be synced for now: since when, and why. A request is stored before anything else is asked
//! about it, so a dependency that is down leaves a trace of each test session that waits for it.

use serde::{Deserialize, Serialize};

use crate::admit::LeaseRequest;
use crate::crashes::MOST_CRASHES;
use crate::ending::RunFailure;
use crate::rules::Rules;
use crate::state::{LastRun, RunResult, SyncState};

/// An outage that ended so long ago still counts as lately.
const LATELY_MS: i64 = 45 * 60 * 1_000;

/// Tries that fail in a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Failing {
    /// When the first of them failed (ms since 1970).
    #[serde(rename = "failing_since")]
    pub since: i64,
    /// The error code of the newest: `source_unavailable`.
    #[serde(rename = "failing_code")]
    pub code: String,
}

/// Tries that failed, until one did not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Recovered {
    /// When the first of them failed (ms since 1970).
    #[serde(rename = "recovered_since")]
    pub since: i64,
    /// When a run wrote again.
    #[serde(rename = "recovered_at")]
    pub at: i64,
    /// The error code of the last failure.
    #[serde(rename = "recovered_code")]
    pub code: String,
}

impl SyncState {
    /// The state with a request that was received, before MongoDB is asked about it. `None` where the request adds
    /// nothing, or names another quiz: that is decided by [`SyncState::admit`].
    #[must_use]
    pub fn noted(&self, ask: &LeaseRequest, rules: &Rules) -> Option<Self> {
        if self.is_of_another_quiz(ask) || self.has_synced(ask.through, rules) {
            return None;
        }
        let next = self.requested(ask);
        (next != *self).then_some(next)
    }

    /// The state after a try that failed before it could take the lease. `None` where a run holds the lease, or the
    /// state already says what is to become of the request.
    #[must_use]
    pub fn failed_early(
        &self,
        ask: &LeaseRequest,
        failure: RunFailure,
        now: i64,
        rules: &Rules,
    ) -> Option<Self> {
        let is_decided = self.has_synced(ask.through, rules) || self.crashed_runs(now) >= MOST_CRASHES;
        if self.held(now).is_some() || self.is_of_another_quiz(ask) || is_decided {
            return None;
        }
        let mut next = self.requested(ask);
        next.fail(failure, now);
        Some(next)
    }

    /// Whether tries fail, or failed lately, for a cause that `is_outage` names by its code.
    #[must_use]
    pub fn has_lately_failed(&self, now: i64, is_outage: impl Fn(&str) -> bool) -> bool {
        let is_failing = self.failing.as_ref().is_some_and(|failing| is_outage(&failing.code));
        let lately = |recovered: &&Recovered| now < recovered.at.saturating_add(LATELY_MS);
        let recovered = self.recovered.as_ref().filter(lately);
        is_failing || recovered.is_some_and(|recovered| is_outage(&recovered.code))
    }

    fn is_of_another_quiz(&self, ask: &LeaseRequest) -> bool {
        !self.quiz_id.is_empty() && self.quiz_id != ask.quiz_id
    }

    /// A forced request is only that once it is admitted: until then it may be received again.
    fn requested(&self, ask: &LeaseRequest) -> Self {
        let mut next = self.asked(&LeaseRequest { force: None, ..ask.clone() });
        next.quiz_id.clone_from(&ask.quiz_id);
        next
    }

    /// Keeps what a run that wrote has put an end to. A later run, which puts an end to nothing, does not forget it.
    pub(crate) fn recover(&mut self, now: i64) {
        if let Some(Failing { since, code }) = self.failing.take() {
            self.recovered = Some(Recovered { since, at: now, code });
        }
    }

    /// The newest time at which the sink is known to have worked: a sync of this test session finished, or a later one
    /// failed after it.
    #[must_use]
    pub fn worked_at(&self) -> Option<i64> {
        let is_finished = self.last.result == Some(RunResult::Finished);
        let finished_at = if is_finished { self.last.finished_at } else { 0 };
        Some(finished_at.max(self.synced_through)).filter(|at| *at > 0)
    }

    /// Keeps a failed try, and since when tries fail.
    pub(crate) fn fail(&mut self, failure: RunFailure, now: i64) {
        let since = self.failing.as_ref().map_or(now, |failing| failing.since);
        self.failing = Some(Failing { since, code: failure.code });
        self.last = LastRun {
            result: Some(if failure.parked { RunResult::Parked } else { RunResult::Failed }),
            error: Some(failure.error),
            finished_at: now,
            ..self.last.clone()
        };
    }
}
