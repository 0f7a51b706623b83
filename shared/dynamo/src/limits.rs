use std::time::Duration;

/// How many requests a store sends at once, and how long it retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteLimits {
    /// The maximum of requests in flight, over all test sessions that share the store. The store starts with fewer, and
    /// sends fewer while DynamoDB throttles.
    pub requests: usize,
    /// The store gives a batch up after this number of attempts in a row that wrote none of its items.
    pub attempts: u32,
    /// The time after which the store gives up the retries of a batch.
    pub total: Duration,
    /// The maximum of the random wait before the first retry. The maximum doubles with each retry.
    pub first_wait: Duration,
    /// The upper bound of the doubled maximum.
    pub longest_wait: Duration,
    /// The timeout of one request, reads included.
    pub request: Duration,
}

impl Default for WriteLimits {
    fn default() -> Self {
        Self {
            requests: 8,
            attempts: 10,
            total: Duration::from_mins(1),
            first_wait: Duration::from_millis(50),
            longest_wait: Duration::from_secs(5),
            request: Duration::from_secs(10),
        }
    }
}

impl WriteLimits {
    /// The wait after `failures` attempts in a row without progress: exponential backoff with full jitter.
    pub(crate) fn wait(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let max = self.first_wait.saturating_mul(1 << doublings).min(self.longest_wait);
        max.mul_f64(fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use quiz_sync_state::Rules;

    use super::WriteLimits;

    #[test]
    fn request_ends_two_seconds_before_its_bound() {
        assert!(WriteLimits::default().request + Duration::from_secs(2) <= Rules::DEFAULT.late);
    }

    #[test]
    fn waits_stay_within_their_bounds() {
        let limits = WriteLimits::default();
        for failures in 0..100 {
            let wait = limits.wait(failures);
            assert!(wait <= limits.longest_wait);
            assert!(failures > 1 || wait <= limits.first_wait);
        }
    }
}
