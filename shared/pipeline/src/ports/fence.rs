//! The fence: the check before each write.
//!
//! Problem: a run can lose its lease without noticing, for example when its process stands still. Its writes must not
//! arrive after the writes of the next run. Idea: a store asks the fence before each request and sends nothing once the
//! fence has ended.
//!
//! - The fence ends before the lease, by more than the time in which a request can arrive.
//! - A heartbeat that extends the lease extends the fence. A revoked fence is never extended.
//! - The fence also counts requests without an answer; the run keeps its lease until they can no longer arrive.
//!
//! See docs/decisions/0008-sync-state.md.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

use super::Clock;
use super::sent::{SentWrite, SentWrites};

/// A run's permission to write. A store checks the fence before each request, and writes nothing once the fence has ended.
#[derive(Clone)]
pub struct Fence {
    clock: Arc<dyn Clock>,
    /// Milliseconds since 1970.
    until: Arc<AtomicI64>,
    sent: SentWrites,
}

impl Fence {
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, until: i64) -> Self {
        Self { clock, until: Arc::new(AtomicI64::new(until)), sent: SentWrites::default() }
    }

    /// A fence that never ends, for a caller that needs no lease because no other run exists.
    #[must_use]
    pub fn open() -> Self {
        struct Epoch;
        impl Clock for Epoch {
            fn now(&self) -> Timestamp {
                Timestamp::UNIX_EPOCH
            }
        }
        Self::new(Arc::new(Epoch), i64::MAX)
    }

    /// Whether the run may write now.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.clock.now().as_millisecond() < self.until.load(Ordering::SeqCst)
    }

    /// Permits one write request, to be sent at once; `None` once the fence has ended. For a store whose requests can
    /// arrive after their caller has given up.
    #[must_use]
    pub fn send(&self) -> Option<SentWrite> {
        self.holds().then(|| self.sent.begin(self.clock.now().as_millisecond()))
    }

    /// When the newest write request without an answer was sent, in milliseconds since 1970. A running request counts as
    /// sent now. `None` if all requests were answered.
    #[must_use]
    pub fn last_unanswered(&self) -> Option<i64> {
        self.sent.last_unanswered(self.clock.now().as_millisecond())
    }

    /// Moves the end of the fence to `until`, in milliseconds since 1970. A revoked fence stays revoked.
    pub fn extend(&self, until: i64) {
        let extended = |now: i64| (now != i64::MIN).then_some(now.max(until));
        let _ = self.until.fetch_update(Ordering::SeqCst, Ordering::SeqCst, extended);
    }

    /// Ends the fence for good.
    pub fn revoke(&self) {
        self.until.store(i64::MIN, Ordering::SeqCst);
    }
}

impl std::fmt::Debug for Fence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fence").field("until", &self.until).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Fence;
    use crate::ports::Clock;
    use jiff::Timestamp;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    struct ManualClock(AtomicI64);
    impl Clock for ManualClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
        }
    }

    #[test]
    fn fence_holds_until_its_end_or_revocation() {
        let clock = Arc::new(ManualClock(AtomicI64::new(10)));
        let fence = Fence::new(clock.clone(), 12);
        assert!(fence.holds() && fence.clone().holds());
        clock.0.store(12, Ordering::SeqCst);
        assert!(!fence.holds());
        fence.extend(20);
        fence.extend(15);
        assert!(fence.holds());
        fence.revoke();
        fence.extend(30);
        assert!(!fence.holds());
        assert!(Fence::open().holds());
    }

    #[test]
    fn unanswered_write_is_remembered() {
        let clock = Arc::new(ManualClock(AtomicI64::new(1)));
        let fence = Fence::new(clock.clone(), 12);
        let (first, second) = (fence.send().unwrap(), fence.clone().send().unwrap());
        clock.0.store(5, Ordering::SeqCst);
        assert_eq!(fence.last_unanswered(), Some(5), "under way");
        second.answered();
        drop(first);
        assert_eq!(fence.last_unanswered(), Some(1));
        fence.send().unwrap().answered();
        assert_eq!(fence.last_unanswered(), Some(1), "a later answer does not answer the earlier write");
        drop(fence.send());
        assert_eq!(fence.last_unanswered(), Some(5));
        fence.revoke();
        assert!(fence.send().is_none());
    }

    #[test]
    fn answered_writes_are_forgotten() {
        let fence = Fence::open();
        fence.send().unwrap().answered();
        assert_eq!(fence.last_unanswered(), None);
    }
}
