//! Writes that the store applies after their call has failed, or after their worker has crashed.

use std::pin::Pin;
use std::time::Duration;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

/// The write of a call that waits for the scheduler.
pub struct Write {
    pub sent_at: Timestamp,
    pub apply: Pin<Box<dyn Future<Output = ()> + Send>>,
}

struct LateWrite {
    due: Timestamp,
    apply: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// The late writes that are not applied yet.
pub struct LateWrites {
    /// How long after its sending a write can be applied.
    bound: Duration,
    pending: Vec<LateWrite>,
}

impl LateWrites {
    pub fn new(bound: Duration) -> Self {
        Self { bound, pending: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Schedules an abandoned write for a later time, unless its time is over. Returns the time.
    pub fn give_up(&mut self, write: Write, now: Timestamp, rng: &mut Rng) -> Option<Timestamp> {
        let latest = write.sent_at + SignedDuration::try_from(self.bound).unwrap();
        let left = latest.as_millisecond() - now.as_millisecond();
        if left < 0 {
            return None;
        }
        // sometimes at the last moment
        let wait = if rng.u32(..4) == 0 { left } else { rng.i64(0..=left) };
        let due = now + SignedDuration::from_millis(wait);
        self.pending.push(LateWrite { due, apply: write.apply });
        Some(due)
    }

    /// Moves the time on, at most to the next late write, and applies that write. Returns whether a write was applied.
    pub async fn advance(&mut self, now: Timestamp, millis: u64) -> bool {
        let wait = |write: &LateWrite| u64::try_from(write.due.as_millisecond() - now.as_millisecond());
        let waits = self.pending.iter().enumerate().map(|(at, write)| (wait(write).unwrap_or(0), at));
        let Some((wait, at)) = waits.min().filter(|(wait, _)| *wait <= millis) else {
            tokio::time::advance(Duration::from_millis(millis)).await;
            return false;
        };
        tokio::time::advance(Duration::from_millis(wait)).await;
        self.pending.remove(at).apply.await;
        true
    }
}
