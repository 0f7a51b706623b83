use std::time::Duration;

use tokio::time::Instant;

use super::BatchLimits;

/// The time of one batch, in the order of its limits.
#[derive(Clone, Copy)]
pub(super) struct BatchTime {
    pub began: Instant,
    /// Running syncs are stopped.
    pub stop: Instant,
    /// The commit is stopped.
    pub last_stop: Instant,
    /// Nothing starts any more.
    pub end: Instant,
}

impl BatchTime {
    /// The time for syncs, from the start of the batch.
    pub fn total(&self) -> Duration {
        self.stop.saturating_duration_since(self.began)
    }

    pub fn new(limits: &BatchLimits, deadline: Instant) -> Self {
        Self {
            began: Instant::now(),
            stop: before(deadline, limits.stop_reserve + limits.commit_reserve),
            last_stop: before(deadline, limits.stop_reserve),
            // a run whose end is not stored by then leaves its lease to expire
            end: before(deadline, limits.stop_reserve / 4),
        }
    }
}

fn before(deadline: Instant, reserve: Duration) -> Instant {
    deadline.checked_sub(reserve).unwrap_or_else(Instant::now)
}
