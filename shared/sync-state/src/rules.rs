use std::time::Duration;

/// The protocol's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// A read begins so much later than the newest request that it is to cover: clocks differ by less.
    pub margin: Duration,
    /// How long a lease holds without a heartbeat.
    pub lease: Duration,
    /// A write request without an answer can arrive until so long after it was sent: a request may take 10 s, and the
    /// store may take 2 s more to apply what it has received. Less than a quarter of the lease, by which a run's fence
    /// ends before its lease does.
    pub late: Duration,
    /// The least time between the starts of two reads of one test, but for a forced one: what completes
    /// meanwhile waits for one sync together.
    pub interval: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Rules {
    pub const DEFAULT: Self = Self {
        margin: Duration::from_secs(1),
        lease: Duration::from_mins(1),
        late: Duration::from_secs(12),
        interval: Duration::from_secs(90),
    };

    /// For one process with one clock, whose tests are synced when they are asked for.
    #[must_use]
    pub fn embedded() -> Self {
        Self { margin: Duration::ZERO, interval: Duration::ZERO, ..Self::default() }
    }

    /// Whether a read that began then has seen what was asked for at `through`.
    #[must_use]
    pub fn covers(&self, read_started_at: i64, through: i64) -> bool {
        through.saturating_add(millis(self.margin)) < read_started_at
    }

    /// The first time at which a read covers `through`.
    #[must_use]
    pub fn readable_at(&self, through: i64) -> i64 {
        through.saturating_add(millis(self.margin)).saturating_add(1)
    }
}

/// Those of the protocol's times; what is beyond them is the last of them.
#[must_use]
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
