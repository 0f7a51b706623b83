use std::time::Duration;

/// Receives that a queue's redrive policy should allow (`maxReceiveCount`): with the default [`Backoff`], messages are
/// retried for at least three days before they are parked.
pub const MOST_RECEIVES: u32 = 600;

/// The wait of a failed message: doubled with each receive up to a limit, with jitter so that retries spread out. The limit
/// is low, so that a message is retried soon after its cause is gone.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use quiz_events::Backoff;
///
/// let backoff = Backoff::default();
/// for (receive_count, minutes) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 15), (6, 15), (500, 15)] {
///     let (wait, longest) = (backoff.wait(receive_count), Duration::from_mins(minutes));
///     assert!(longest / 2 <= wait && wait <= longest);
/// }
/// // a message that is parked at its 7th receive has waited at least half of 1 + 2 + 4 + 8 + 15 + 15 minutes
/// assert_eq!(backoff.least_patience(7), Duration::from_mins(45) / 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The longest wait after the first receive.
    pub first: Duration,
    /// The longest wait after any receive; SQS allows 12 hours.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_mins(1), longest: Duration::from_mins(15) }
    }
}

impl Backoff {
    /// The wait after the `receive_count`th receive: between half of the doubled time and all of it.
    #[must_use]
    pub fn wait(&self, receive_count: u32) -> Duration {
        self.full(receive_count).mul_f64(0.5 + 0.5 * fastrand::f64())
    }

    /// The least total wait of a message before its `receives`th receive.
    #[must_use]
    pub fn least_patience(&self, receives: u32) -> Duration {
        (1..receives).map(|receive| self.full(receive) / 2).sum()
    }

    fn full(&self, receive_count: u32) -> Duration {
        let doublings = receive_count.saturating_sub(1).min(20);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, MOST_RECEIVES};
    use std::time::Duration;

    #[test]
    fn outage_of_three_days_parks_nothing() {
        let backoff = Backoff::default();
        assert!(backoff.least_patience(MOST_RECEIVES) >= Duration::from_hours(72));
        assert!(backoff.least_patience(7) >= Duration::from_mins(22));
        let waits: Duration = (1..MOST_RECEIVES).map(|receive| backoff.wait(receive)).sum();
        assert!(waits >= backoff.least_patience(MOST_RECEIVES));
        assert!(waits < Duration::from_hours(7 * 24), "half of the time for which SQS keeps a message");
    }

    #[test]
    fn waits_double_up_to_the_limit_and_differ() {
        let backoff = Backoff { first: Duration::from_secs(10), longest: Duration::from_mins(1) };
        for (count, full) in [(0, 10), (1, 10), (2, 20), (3, 40), (4, 60), (u32::MAX, 60)] {
            let waits: Vec<_> = (0..50).map(|_| backoff.wait(count)).collect();
            let full = Duration::from_secs(full);
            assert!(waits.iter().all(|wait| *wait >= full / 2 && *wait <= full), "{count}");
            assert!(waits.iter().any(|wait| *wait != waits[0]));
        }
    }
}
