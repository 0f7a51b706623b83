use std::num::NonZeroU32;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// So many turns a second, given one after the other to all who wait.
#[derive(Debug)]
pub struct Pace {
    gap: Option<Duration>,
    interval: Option<Mutex<Interval>>,
}

impl Pace {
    #[must_use]
    pub fn per_second(turns: NonZeroU32) -> Self {
        let gap = (Duration::from_secs(1) / turns.get()).max(Duration::from_micros(1));
        let mut interval = interval(gap);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { gap: Some(gap), interval: Some(Mutex::new(interval)) }
    }

    #[must_use]
    pub fn unlimited() -> Self {
        Self { gap: None, interval: None }
    }

    /// What so many turns take.
    pub(super) fn time_for(&self, turns: usize) -> Duration {
        let turns = u32::try_from(turns).unwrap_or(u32::MAX);
        self.gap.unwrap_or_default().saturating_mul(turns)
    }

    /// Ends when it is the caller's turn, or `stop` is told: then it is false.
    pub(super) async fn turn(&self, stop: super::Stop<'_>) -> bool {
        if let Some(interval) = &self.interval {
            let mut interval = interval.lock().await;
            if !stop() {
                interval.tick().await;
            }
        }
        !stop()
    }
}
