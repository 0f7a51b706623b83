use std::time::Duration;

use tokio::time::Instant;

use super::BatchLimits;

/// A function's time for one batch.
#[derive(Clone, Copy)]
pub(super) struct Time {
    pub began: Instant,
    /// When what runs is stopped, …
    pub stop: Instant,
    /// … when the commit is, …
    pub last_stop: Instant,
    /// … and when nothing is begun any more.
    pub end: Instant,
}

impl Time {
    /// For syncs, from the beginning on.
    pub fn total(&self) -> Duration {
        self.stop.saturating_duration_since(self.began)
    }

    pub fn of(limits: &BatchLimits, deadline: Instant) -> Self {
        Self {
            began: Instant::now(),
            stop: before(deadline, limits.stop_reserve + limits.commit_reserve),
            last_stop: before(deadline, limits.stop_reserve),
            // an end that is not stored by then leaves its lease to run out
            end: before(deadline, limits.stop_reserve / 4),
        }
    }
}

fn before(deadline: Instant, reserve: Duration) -> Instant {
    deadline.checked_sub(reserve).unwrap_or_else(Instant::now)
}
