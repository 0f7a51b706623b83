use std::num::NonZeroU32;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// A rate limit: callers go on one after the other, at most so many a second.
#[derive(Debug)]
pub struct Pace {
    gap: Option<Duration>,
    interval: Option<Mutex<Interval>>,
}

impl Pace {
    /// At most `count` actions a second.
    #[must_use]
    pub fn per_second(count: NonZeroU32) -> Self {
        let gap = (Duration::from_secs(1) / count.get()).max(Duration::from_micros(1));
        let mut interval = interval(gap);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { gap: Some(gap), interval: Some(Mutex::new(interval)) }
    }

    /// No limit.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { gap: None, interval: None }
    }

    /// The time that `count` actions take.
    pub(super) fn time_for(&self, count: usize) -> Duration {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.gap.unwrap_or_default().saturating_mul(count)
    }

    /// Waits until the caller may go on; `false` if `stop` says to stop.
    pub(super) async fn wait(&self, stop: super::Stop<'_>) -> bool {
        if let Some(interval) = &self.interval {
            let mut interval = interval.lock().await;
            if !stop() {
                interval.tick().await;
            }
        }
        !stop()
    }
}
