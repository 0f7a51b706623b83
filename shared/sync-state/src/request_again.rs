use serde::{Deserialize, Serialize};

use crate::state::SyncState;

const MINUTE_MS: i64 = 60 * 1_000;
/// The wait between the first and the second request of reconcile; doubled each time.
const FIRST_WAIT_MS: i64 = 30 * MINUTE_MS;
const LONGEST_WAIT_MS: i64 = 24 * 60 * MINUTE_MS;

/// The requests that reconcile has sent for a stale test session since the last finished sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestedAgain {
    /// At least 1.
    #[serde(rename = "asked_again_times")]
    pub times: u32,
    /// When the newest of them was sent (ms since 1970).
    #[serde(rename = "asked_again_at")]
    pub at: i64,
}

impl RequestedAgain {
    /// When reconcile may send the next request (ms since 1970): half an hour after the first, an hour after the second, and
    /// so on up to a day.
    #[must_use]
    pub fn waits_until(&self) -> i64 {
        let doublings = self.times.saturating_sub(1).min(16);
        self.at.saturating_add((FIRST_WAIT_MS << doublings).min(LONGEST_WAIT_MS))
    }
}

impl SyncState {
    /// The state with one more request of reconcile: the pass that stores it publishes the event. `answered` is the time of
    /// the newest answer that no sync covers. The answer counts as a request, so that the test session stays stale when the
    /// answer is old. Both times are in ms since 1970. Only for a state without a lease.
    #[must_use]
    pub fn request_again(&self, quiz_id: &str, answered: Option<i64>, now: i64) -> Self {
        let mut next = self.clone();
        if next.quiz_id.is_empty() {
            quiz_id.clone_into(&mut next.quiz_id);
        }
        next.requested_through = next.requested_through.max(answered.unwrap_or_default());
        let times = self.requested_again.map_or(0, |requested| requested.times).saturating_add(1);
        next.requested_again = Some(RequestedAgain { times, at: now });
        next
    }
}

#[cfg(test)]
mod tests {
    use super::{MINUTE_MS, RequestedAgain};
    use crate::SyncState;

    #[test]
    fn wait_doubles_up_to_a_day() {
        let minutes = |times| RequestedAgain { times, at: 7 }.waits_until() / MINUTE_MS;
        assert_eq!([1, 2, 3, 6, 7, 90, u32::MAX].map(minutes), [30, 60, 120, 960, 1_440, 1_440, 1_440]);
    }

    #[test]
    fn repeated_request_counts_and_keeps_older_requests() {
        let state =
            SyncState { revision: 3, quiz_id: "q".into(), requested_through: 50, ..SyncState::default() };
        let first = state.request_again("other", Some(60), 100);
        assert_eq!((&*first.quiz_id, first.requested_through), ("q", 60));
        let second = first.request_again("q", None, 200);
        assert_eq!(
            (second.requested_through, second.requested_again),
            (60, Some(RequestedAgain { times: 2, at: 200 }))
        );
        assert_eq!(SyncState::default().request_again("q", Some(9), 100).quiz_id, "q");
    }
}
