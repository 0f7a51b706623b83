use crate::rules::{Rules, millis};
use crate::state::{FollowUp, LastRun, RunResult, SyncState};

/// A run's hold on a test.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseHolder {
    pub owner: String,
    pub generation: i64,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFailure {
    /// Stable, for filters: `source_unavailable`.
    pub code: String,
    pub error: String,
    /// Its messages go to the dead-letter queue: they can never succeed, or have had their last try.
    pub parked: bool,
}

/// How a run's end is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Store `next`. Where `due` is given, more was asked for since the read began: a follow-up is to be sent
    /// first, due then, and noted by [`SyncState::followed_up`].
    Store { next: Box<SyncState>, due: Option<i64> },
    /// It is stored: the answer to storing it was lost.
    Stored,
    /// Another run has taken the test over.
    Lost,
}

impl SyncState {
    /// Whether the run may still say how it ended. A lease that ran out, and that nobody took, is still its own.
    #[must_use]
    pub fn is_of(&self, hold: &LeaseHolder) -> bool {
        self.generation == hold.generation && self.lease.as_ref().is_some_and(|it| it.owner == hold.owner)
    }

    /// The lease, extended; `None` where it is another's.
    #[must_use]
    pub fn heartbeat(&self, hold: &LeaseHolder, now: i64, rules: &Rules) -> Option<Self> {
        let mut next = self.clone();
        let lease = next.lease.as_mut().filter(|_| self.is_of(hold))?;
        lease.until = lease.until.max(now.saturating_add(millis(rules.lease)));
        Some(next)
    }

    /// All is written of a read that began at `last.read_started_at`.
    #[must_use]
    pub fn finished(&self, hold: &LeaseHolder, last: &LastRun, rules: &Rules) -> Ending {
        let (read_started_at, described_at) = (last.read_started_at, last.read_described_at);
        let (last_joined, finished_at) = (last.joined, last.finished_at);
        let last = LastRun { result: Some(RunResult::Finished), error: None, ..last.clone() };
        self.ended(hold, last, |next| {
            next.synced_through = next.synced_through.max(read_started_at.saturating_sub(1));
            next.progress = None;
            next.requested_again = None;
            next.recover(finished_at);
            next.joined = next.joined.saturating_sub(last_joined);
            // a request that is older than the read may have brought its description after it
            let is_described = next.described_at <= described_at;
            let is_covered = is_described && rules.covers(read_started_at, next.requested_through);
            if is_covered {
                next.newest_completion = None;
                next.follow_up_depth = 0;
            }
            (!is_covered).then(|| read_started_at.saturating_add(millis(rules.interval)))
        })
    }

    /// Nothing, or not all, is written; the run's own messages come again, or are parked. `progress` is what the
    /// sink notes of what an earlier run, or this one, has written.
    #[must_use]
    pub fn failed(
        &self,
        hold: &LeaseHolder,
        failure: RunFailure,
        progress: Option<String>,
        now: i64,
    ) -> Ending {
        self.ended(hold, self.last.clone(), |next| {
            next.fail(failure, now);
            next.progress = progress;
            None
        })
    }

    /// A part is written. A follow-up goes on, with the `progress` that the sink notes.
    #[must_use]
    pub fn paused(&self, hold: &LeaseHolder, progress: String, now: i64) -> Ending {
        let last = LastRun {
            result: Some(RunResult::Paused),
            finished_at: now,
            // since the lease was taken: the next run has no less to do
            duration_ms: u64::try_from(now.saturating_sub(hold.generation)).unwrap_or_default(),
            ..self.last.clone()
        };
        self.ended(hold, last, |next| {
            next.progress = Some(progress);
            next.recover(now);
            Some(now)
        })
    }

    /// The state with a follow-up that is in the queue.
    #[must_use]
    pub fn followed_up(mut self, follow_up: FollowUp) -> Self {
        self.follow_up = Some(follow_up);
        self.follow_up_depth = self.follow_up_depth.saturating_add(1);
        self
    }

    fn ended(
        &self,
        hold: &LeaseHolder,
        last: LastRun,
        change: impl FnOnce(&mut Self) -> Option<i64>,
    ) -> Ending {
        if !self.is_of(hold) {
            let is_stored = self.generation == hold.generation && self.lease.is_none();
            return if is_stored { Ending::Stored } else { Ending::Lost };
        }
        let mut next = Self { last, lease: None, crashed_runs: 0, ..self.clone() };
        let due = change(&mut next);
        Ending::Store { next: Box::new(next), due }
    }
}
