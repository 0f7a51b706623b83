use std::time::Duration;

use tokio::time::Instant;

/// The total time of several pieces of work.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    pub total: Duration,
}

impl Stopwatch {
    pub async fn time<T>(&mut self, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = work.await;
        self.total += began.elapsed();
        done
    }
}

/// Whole milliseconds, as in logs, metrics and notices.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
