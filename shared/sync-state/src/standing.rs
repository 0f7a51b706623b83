use crate::rules::Rules;
use crate::state::{FollowUp, RunResult, SyncState};

/// A follow-up that is overdue by this counts as lost: four of the longest waits between its receives have passed.
const OVERDUE_MS: i64 = 60 * 60 * 1_000;

/// One word for a sync state, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The last run failed, and its messages are in the dead-letter queue.
    Parked,
    /// The last run failed; its messages are retried.
    Failed,
    /// Stale: the newest request is later than the last finished sync, and no run or follow-up is known. Its messages are
    /// retried, unless they were lost.
    Behind,
    /// A run holds the lease.
    Running,
    /// A follow-up in the queue will sync it.
    Waiting,
    /// A finished sync covers all requests.
    Synced,
    /// There was no request yet.
    Unknown,
}

impl Standing {
    /// Each standing, the most urgent first.
    pub const ALL: [Self; 7] =
        [Self::Parked, Self::Failed, Self::Behind, Self::Running, Self::Waiting, Self::Synced, Self::Unknown];

    /// The word that is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Failed => "failed",
            Self::Behind => "behind",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Synced => "synced",
            Self::Unknown => "unknown",
        }
    }
}

impl SyncState {
    /// The standing at `now`, and since when; for [`Standing::Waiting`] until when. Both times are in ms since 1970.
    #[must_use]
    pub fn standing(&self, now: i64, rules: &Rules) -> (Standing, i64) {
        if self.revision == 0 {
            return (Standing::Unknown, now);
        }
        if self.held(now).is_some() {
            return (Standing::Running, self.generation);
        }
        match self.last.result {
            Some(RunResult::Failed) => return (Standing::Failed, self.last.finished_at),
            Some(RunResult::Parked) => return (Standing::Parked, self.last.finished_at),
            Some(RunResult::Finished | RunResult::Paused) | None => {}
        }
        if let Some(follow_up) = self.awaited(now) {
            return (Standing::Waiting, follow_up.due);
        }
        if self.has_synced(self.requested_through, rules) && self.progress.is_none() {
            return (Standing::Synced, self.last.finished_at);
        }
        (Standing::Behind, self.requested_through)
    }

    /// Whether the state can need a sync or a notice, or a standing other than [`Standing::Synced`], without a newer answer
    /// or request. It does not depend on the time, so a store can index it: a finished state stays finished until it
    /// is stored again. It holds under any rules whose margin is at most the default's.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        let rules = Rules::DEFAULT;
        let has_failed = matches!(self.last.result, Some(RunResult::Failed | RunResult::Parked));
        // the request comes before the margin of the default rules, so each smaller margin finds it synced as well
        let is_synced = self.has_synced(self.requested_through, &rules) && !self.is_to_rewrite(&rules);
        !is_synced
            || has_failed
            || self.lease.is_some()
            || self.follow_up.is_some()
            || self.progress.is_some()
            || self.failing.is_some()
            || self.recovered.is_some()
    }

    /// The follow-up in the queue, unless it is so late that it counts as lost.
    #[must_use]
    pub fn awaited(&self, now: i64) -> Option<&FollowUp> {
        self.follow_up.as_ref().filter(|follow_up| now < follow_up.due.saturating_add(OVERDUE_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::Standing;
    use crate::{FollowUp, LastRun, Lease, Rules, RunResult, SyncState};

    const NOW: i64 = 1_714_500_000_000;

    fn after(result: RunResult) -> SyncState {
        let last = LastRun { result: Some(result), finished_at: NOW - 5_000, ..LastRun::default() };
        let (requested_through, synced_through) = (NOW - 90_000, NOW - 9_000);
        SyncState {
            revision: 1,
            generation: NOW - 10_000,
            requested_through,
            synced_through,
            last,
            ..SyncState::default()
        }
    }

    #[test]
    fn standing_follows_from_the_state() {
        let lease = |until| Some(Lease { owner: "a".into(), message_id: "m".into(), until });
        let follow_up = |due| Some(FollowUp { message_id: "m".into(), due });
        let finished = after(RunResult::Finished);
        let requested = SyncState { requested_through: NOW - 2_000, ..finished.clone() };
        let cases = [
            (SyncState::default(), Standing::Unknown, NOW),
            (finished.clone(), Standing::Synced, NOW - 5_000),
            (requested.clone(), Standing::Behind, NOW - 2_000),
            (SyncState { lease: lease(NOW + 1), ..requested.clone() }, Standing::Running, NOW - 10_000),
            (SyncState { lease: lease(NOW), ..requested.clone() }, Standing::Behind, NOW - 2_000),
            (
                SyncState { follow_up: follow_up(NOW + 60_000), ..requested.clone() },
                Standing::Waiting,
                NOW + 60_000,
            ),
            (
                SyncState { follow_up: follow_up(NOW - 7_200_000), ..requested.clone() },
                Standing::Behind,
                NOW - 2_000,
            ),
            (after(RunResult::Failed), Standing::Failed, NOW - 5_000),
            (after(RunResult::Parked), Standing::Parked, NOW - 5_000),
            (
                SyncState { lease: lease(NOW + 1), ..after(RunResult::Failed) },
                Standing::Running,
                NOW - 10_000,
            ),
            (
                SyncState { progress: Some("p".into()), ..after(RunResult::Paused) },
                Standing::Behind,
                NOW - 90_000,
            ),
        ];
        for (state, expected, since) in cases {
            assert_eq!(state.standing(NOW, &Rules::default()), (expected, since), "{state:?}");
            let is_shown = ![Standing::Synced, Standing::Unknown].contains(&expected);
            assert!(state.is_unfinished() || !is_shown, "{state:?}");
        }
    }
}
