use std::time::Duration;

/// How hard the store tries to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteLimits {
    /// The most requests in flight, over all sessions that share the store. There are fewer at first, and while
    /// DynamoDB throttles.
    pub requests: usize,
    /// Attempts in a row that write nothing of a batch, after which the store gives up.
    pub attempts: u32,
    /// How long a batch is retried.
    pub total: Duration,
    /// The wait before the first retry is random up to this; it doubles from one to the next, …
    pub first_wait: Duration,
    /// … up to this.
    pub longest_wait: Duration,
    /// How long one request may take, reads included.
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
    /// The wait after so many attempts in a row without success: exponential, with full jitter.
    pub(crate) fn wait(&self, fruitless: u32) -> Duration {
        let doublings = fruitless.saturating_sub(1).min(20);
        let most = self.first_wait.saturating_mul(1 << doublings).min(self.longest_wait);
        most.mul_f64(fastrand::f64())
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
        for fruitless in 0..100 {
            let wait = limits.wait(fruitless);
            assert!(wait <= limits.longest_wait);
            assert!(fruitless > 1 || wait <= limits.first_wait);
        }
    }
}
