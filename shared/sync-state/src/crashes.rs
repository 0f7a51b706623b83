//! Runs that crash: the process was killed, or ran out of memory or time. A crash returns the messages of all test
//! sessions of the batch. So the next run of the same test session is alone, and after [`MOST_CRASHES`] crashes its
//! messages are parked. See docs/decisions/0013-crashes.md.
//!
//! The evidence is an expired lease: a run that stores its end gives its lease up. The count belongs to the test
//! session, not to a message: a new message of the same test session is as dangerous as the one that came back.

use crate::admit::LeaseRequest;
use crate::ending::RunFailure;
use crate::state::SyncState;

/// Crashed runs in a row after which the messages are parked.
pub const MOST_CRASHES: u32 = 5;
/// A request runs again if it is sent this long after the parking.
const COOL_DOWN_MS: i64 = 10 * 60 * 1_000;

impl SyncState {
    /// Crashed runs in a row, including a run whose lease has expired at `now` (ms since 1970).
    #[must_use]
    pub fn crashed_runs(&self, now: i64) -> u32 {
        let is_lost = self.lease.as_ref().is_some_and(|lease| lease.until <= now);
        self.crashed_runs.saturating_add(u32::from(is_lost))
    }

    /// Whether a request is parked and not run. After too many crashes only a new request runs: a forced request sent since
    /// the newest crashed run began, or any request sent some minutes after the parking.
    pub(crate) fn is_crashing(&self, request: &LeaseRequest, now: i64) -> bool {
        let is_cool =
            self.lease.is_none() && self.last.finished_at.saturating_add(COOL_DOWN_MS) <= request.through;
        // the second case is a forced request that was deferred to a follow-up
        let is_newly_forced = (request.force.is_some() && request.through > self.generation)
            || self.rewrite_through > self.generation;
        self.crashed_runs(now) >= MOST_CRASHES && !is_newly_forced && !is_cool
    }

    /// The state after [`crate::Admission::Park`] at `now` (ms since 1970), with the error of the parked messages.
    #[must_use]
    pub fn parked_for_crashes(&self, request: &LeaseRequest, failure: RunFailure, now: i64) -> Self {
        let mut next = self.with_request(request);
        next.end_lost_run();
        let parked_at = if self.lease.is_some() { now } else { self.last.finished_at };
        next.fail(RunFailure { parked: true, ..failure }, parked_at);
        next
    }
}
