//! The end of a run: finished, paused or failed.
//!
//! Problem: requests may join until the moment at which the lease is given up, and another run may have taken the lease.
//! Idea: the end is one compare-and-swap that gives the lease up. It succeeds only for the holder's own generation, and
//! only on the newest revision.
//!
//! - A finished run covers requests up to its read; if newer requests joined, a follow-up is sent first.
//! - A failed run sends no follow-up: its anchor message returns, or is parked.
//! - A paused run keeps its progress, and a follow-up continues it.
//! - A holder whose lease was taken over stores nothing.
//!
//! See docs/decisions/0008-sync-state.md.

use crate::rules::{Rules, millis};
use crate::state::{FollowUp, LastRun, RunResult, SyncState};

/// The holder of a lease: its name and generation.
///
/// # Examples
///
/// A lease that has run out still belongs to its holder. The holder loses it when another run takes it.
///
/// ```
/// use quiz_sync_state::{Ending, LastRun, Lease, LeaseHolder, Rules, Standing, SyncState};
///
/// let rules = Rules::default();
/// let lease = |owner: &str, until| Some(Lease { owner: owner.to_owned(), message_id: "m-1".to_owned(), until });
/// // run a took its lease at 10 s, for 60 s
/// let running = SyncState {
///     revision: 1,
///     requested_through: 9_000,
///     generation: 10_000,
///     lease: lease("a", 70_000),
///     ..SyncState::default()
/// };
/// let holder = LeaseHolder { owner: "a".to_owned(), generation: 10_000 };
/// assert_eq!(running.standing(69_999, &rules).0, Standing::Running);
///
/// // the lease runs out at 70 s; a late heartbeat extends it
/// assert_eq!((running.held(70_000), running.crashed_runs(70_000)), (None, 1));
/// assert_eq!(running.standing(70_000, &rules).0, Standing::Behind);
/// let extended = running.heartbeat(&holder, 75_000, &rules);
/// assert_eq!(extended.and_then(|state| state.lease), lease("a", 135_000));
///
/// // run b has taken the lease: run a can neither extend it nor store its end
/// let taken_over = SyncState { generation: 72_000, lease: lease("b", 132_000), ..running };
/// assert_eq!(taken_over.heartbeat(&holder, 75_000, &rules), None);
/// assert_eq!(taken_over.finished(&holder, &LastRun::default(), &rules), Ending::Lost);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseHolder {
    /// [`LeaseRequest::owner`](crate::LeaseRequest::owner) of the request that took the lease.
    pub owner: String,
    /// [`SyncState::generation`] of the state with the lease.
    pub generation: i64,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFailure {
    /// Stable, for filters: `source_unavailable`.
    pub code: String,
    /// One sentence for people.
    pub error: String,
    /// Whether the messages are parked: they can never succeed, or have had their last try.
    pub parked: bool,
}

impl Ending {
    /// The same end, with a change to the state that it stores.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut SyncState)) -> Self {
        if let Self::Store { next, .. } = &mut self {
            change(next);
        }
        self
    }
}

/// How to store the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Store `next`. If `due` (ms since 1970) is given, requests joined after the read began, or the run was paused: first
    /// send a follow-up due then, and add it by [`SyncState::followed_up`].
    Store { next: Box<SyncState>, due: Option<i64> },
    /// The end is stored already: the answer was lost.
    Stored,
    /// Another run has taken the lease over.
    Lost,
}

impl SyncState {
    /// Whether this holder may still store its end. An expired lease still belongs to its holder until another run takes it.
    #[must_use]
    pub fn is_held_by(&self, holder: &LeaseHolder) -> bool {
        self.generation == holder.generation
            && self.lease.as_ref().is_some_and(|lease| lease.owner == holder.owner)
    }

    /// The state with the lease extended to `now` (ms since 1970) and [`Rules::lease`]; `None` if it is no longer this
    /// holder's.
    #[must_use]
    pub fn heartbeat(&self, holder: &LeaseHolder, now: i64, rules: &Rules) -> Option<Self> {
        let mut next = self.clone();
        let lease = next.lease.as_mut().filter(|_| self.is_held_by(holder))?;
        lease.until = lease.until.max(now.saturating_add(millis(rules.lease)));
        Some(next)
    }

    /// Ends a run that has written everything of a read that began at `last.read_started_at`. A follow-up is due if a
    /// request is not covered: [`Rules::interval`] after that read.
    #[must_use]
    pub fn finished(&self, holder: &LeaseHolder, last: &LastRun, rules: &Rules) -> Ending {
        let (read_started_at, described_at) = (last.read_started_at, last.read_described_at);
        let (last_joined, finished_at) = (last.joined, last.finished_at);
        let last = LastRun { result: Some(RunResult::Finished), error: None, ..last.clone() };
        self.ended(holder, last, |next| {
            next.synced_through = next.synced_through.max(read_started_at.saturating_sub(1));
            next.progress = None;
            next.requested_again = None;
            next.recover(finished_at);
            next.joined = next.joined.saturating_sub(last_joined);
            // a request older than the read may have joined with its description after the read
            let is_described = next.described_at <= described_at;
            let is_covered = is_described && rules.covers(read_started_at, next.requested_through);
            if is_covered {
                next.newest_completion = None;
                next.follow_up_depth = 0;
            }
            (!is_covered).then(|| read_started_at.saturating_add(millis(rules.interval)))
        })
    }

    /// Ends a run that failed at `now` (ms since 1970), and whose messages are retried or parked. `progress` is the progress
    /// of this run and of earlier runs of the same sync.
    #[must_use]
    pub fn failed(
        &self,
        holder: &LeaseHolder,
        failure: RunFailure,
        progress: Option<String>,
        now: i64,
    ) -> Ending {
        self.ended(holder, self.last.clone(), |next| {
            next.fail(failure, now);
            next.progress = progress;
            None
        })
    }

    /// Ends a run that was stopped near the deadline, at `now` (ms since 1970). A follow-up continues it from `progress` at
    /// once.
    #[must_use]
    pub fn paused(&self, holder: &LeaseHolder, progress: String, now: i64) -> Ending {
        let last = LastRun {
            result: Some(RunResult::Paused),
            finished_at: now,
            // the time since the lease was taken: the next run may take as long
            duration_ms: u64::try_from(now.saturating_sub(holder.generation)).unwrap_or_default(),
            ..self.last.clone()
        };
        self.ended(holder, last, |next| {
            next.progress = Some(progress);
            next.recover(now);
            Some(now)
        })
    }

    /// The state with a follow-up that was sent.
    #[must_use]
    pub fn followed_up(mut self, follow_up: FollowUp) -> Self {
        self.follow_up = Some(follow_up);
        self.follow_up_depth = self.follow_up_depth.saturating_add(1);
        self
    }

    /// Gives the lease up and applies `change`, which returns when a follow-up is due.
    fn ended(
        &self,
        holder: &LeaseHolder,
        last: LastRun,
        change: impl FnOnce(&mut Self) -> Option<i64>,
    ) -> Ending {
        if !self.is_held_by(holder) {
            let is_stored = self.generation == holder.generation && self.lease.is_none();
            return if is_stored { Ending::Stored } else { Ending::Lost };
        }
        let mut next = Self { last, lease: None, crashed_runs: 0, ..self.clone() };
        let due = change(&mut next);
        Ending::Store { next: Box::new(next), due }
    }
}
