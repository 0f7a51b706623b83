//! Test sessions that cannot be synced for now: since when, and why. A request is stored before MongoDB is queried, so
//! during an outage the states show each waiting test session. See docs/decisions/0014-outages.md.

use std::collections::HashSet;

use quiz_events::ParkCause;
use serde::{Deserialize, Serialize};

use crate::admit::LeaseRequest;
use crate::crashes::MOST_CRASHES;
use crate::ending::RunFailure;
use crate::port::StateKey;
use crate::rules::Rules;
use crate::state::{LastRun, RunResult, SyncState};

/// An outage that ended less than this ago counts as recent.
const LATELY_MS: i64 = 45 * 60 * 1_000;

/// Failed tries in a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Failing {
    /// When the first try failed (ms since 1970).
    #[serde(rename = "failing_since")]
    pub since: i64,
    /// The error code of the newest failure: `source_unavailable`.
    #[serde(rename = "failing_code")]
    pub code: String,
}

/// Failed tries in a row, ended by a run that wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Recovered {
    /// When the first try failed (ms since 1970).
    #[serde(rename = "recovered_since")]
    pub since: i64,
    /// When a run wrote again (ms since 1970).
    #[serde(rename = "recovered_at")]
    pub at: i64,
    /// The error code of the last failure.
    #[serde(rename = "recovered_code")]
    pub code: String,
}

/// The states of test sessions that a sync can serve. It leaves out, in all sinks, a session id that a sync refused because
/// it is the `_id` of an attempt.
#[must_use]
pub fn without_refused_sessions(mut states: Vec<(StateKey, SyncState)>) -> Vec<(StateKey, SyncState)> {
    let is_refused = |failing: &Failing| failing.code == ParkCause::SESSION_ID_OF_ATTEMPT;
    let refused = states.iter().filter(|(_, state)| state.failing.as_ref().is_some_and(is_refused));
    let refused: HashSet<String> = refused.map(|(key, _)| key.session_id.clone()).collect();
    states.retain(|(key, _)| !refused.contains(&key.session_id));
    states
}

impl SyncState {
    /// The state with a received request, before MongoDB is queried. `None` if the request adds nothing, or names another
    /// quiz, which [`SyncState::admit`] decides.
    #[must_use]
    pub fn noted(&self, request: &LeaseRequest, rules: &Rules) -> Option<Self> {
        if self.is_for_another_quiz(request) || self.has_synced(request.through, rules) {
            return None;
        }
        let next = self.with_unforced_request(request);
        (next != *self).then_some(next)
    }

    /// The state after a try that failed at `now` (ms since 1970), before its lease was taken. `None` if a run holds the
    /// lease, or if the state already decides about the request.
    #[must_use]
    pub fn failed_early(
        &self,
        request: &LeaseRequest,
        failure: RunFailure,
        now: i64,
        rules: &Rules,
    ) -> Option<Self> {
        let is_decided = self.has_synced(request.through, rules) || self.crashed_runs(now) >= MOST_CRASHES;
        if self.held(now).is_some() || self.is_for_another_quiz(request) || is_decided {
            return None;
        }
        let mut next = self.with_unforced_request(request);
        next.fail(failure, now);
        Some(next)
    }

    /// Whether tries fail at `now` (ms since 1970), or a run ended the failures less than 45 minutes before. Only failures
    /// count with an error code for which `is_outage` is true.
    #[must_use]
    pub fn has_lately_failed(&self, now: i64, is_outage: impl Fn(&str) -> bool) -> bool {
        let is_failing = self.failing.as_ref().is_some_and(|failing| is_outage(&failing.code));
        let lately = |recovered: &&Recovered| now < recovered.at.saturating_add(LATELY_MS);
        let recovered = self.recovered.as_ref().filter(lately);
        is_failing || recovered.is_some_and(|recovered| is_outage(&recovered.code))
    }

    fn is_for_another_quiz(&self, request: &LeaseRequest) -> bool {
        !self.quiz_id.is_empty() && self.quiz_id != request.quiz_id
    }

    /// The state with the request, without its force: only an admitted request is forced, because until then its message may
    /// be received again.
    fn with_unforced_request(&self, request: &LeaseRequest) -> Self {
        let mut next = self.with_request(&LeaseRequest { force: None, ..request.clone() });
        next.quiz_id.clone_from(&request.quiz_id);
        next
    }

    /// Ends the failures after a run that wrote, and keeps their times. A later run without failures keeps them as well.
    pub(crate) fn recover(&mut self, now: i64) {
        if let Some(Failing { since, code }) = self.failing.take() {
            self.recovered = Some(Recovered { since, at: now, code });
        }
    }

    /// The newest time at which the sink is known to have worked (ms since 1970): the end of the newest sync, or the start
    /// of its read if a later run failed. `None` if no sync has finished.
    #[must_use]
    pub fn worked_at(&self) -> Option<i64> {
        let is_finished = self.last.result == Some(RunResult::Finished);
        let finished_at = if is_finished { self.last.finished_at } else { 0 };
        Some(finished_at.max(self.synced_through)).filter(|at| *at > 0)
    }

    /// Stores a failed try, and since when tries fail.
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
