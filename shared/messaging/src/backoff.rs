use std::time::Duration;

/// How long a failed message waits: doubled with each receive, up to a limit, and spread by jitter so
/// that retries do not come back together. With the default and a redrive policy of 7 receives, messages
/// ride out an outage of 22 to 45 minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    pub first: Duration,
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
        let doublings = receive_count.saturating_sub(1).min(20);
        let full = self.first.saturating_mul(1 << doublings).min(self.longest);
        full.mul_f64(0.5 + 0.5 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use std::time::Duration;

    #[test]
    fn an_outage_of_22_minutes_parks_nothing() {
        let waits = (1..7).map(|receive| Backoff::default().wait(receive));
        assert!(waits.sum::<Duration>() >= Duration::from_mins(22));
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
