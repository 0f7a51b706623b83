use std::time::Duration;

/// The protocol's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// A read covers a request only if it begins this much later: clocks differ by less.
    pub margin: Duration,
    /// The time after which a lease without a heartbeat expires.
    pub lease: Duration,
    /// The time in which a write request without an answer can still arrive: a request may take 10 s, and the store may take
    /// 2 s more to apply it. Less than a quarter of the lease, by which a run's fence ends before its lease does.
    pub late: Duration,
    /// The least time between the starts of two reads of one test session, except for a forced sync. Completions in between
    /// share one sync.
    pub interval: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Rules {
    /// The rules in production: a margin of 1 s, a lease of 60 s, late writes for 12 s, an interval of 90 s.
    pub const DEFAULT: Self = Self {
        margin: Duration::from_secs(1),
        lease: Duration::from_mins(1),
        late: Duration::from_secs(12),
        interval: Duration::from_secs(90),
    };

    /// The rules for one process with one clock, which syncs each request at once.
    #[must_use]
    pub fn embedded() -> Self {
        Self { margin: Duration::ZERO, interval: Duration::ZERO, ..Self::default() }
    }

    /// Whether a read that began then covers a request sent at `through`; both in ms since 1970.
    #[must_use]
    pub fn covers(&self, read_started_at: i64, through: i64) -> bool {
        through.saturating_add(millis(self.margin)) < read_started_at
    }

    /// The first time at which a read covers `through`; both in ms since 1970.
    #[must_use]
    pub fn readable_at(&self, through: i64) -> i64 {
        through.saturating_add(millis(self.margin)).saturating_add(1)
    }
}

/// Whole milliseconds; a longer duration than `i64` can hold gives `i64::MAX`.
#[must_use]
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
