use crate::rules::Rules;
use crate::state::{FollowUp, RunResult, SyncState};

/// A follow-up that is overdue by this is counted on no more: four of the longest waits between its receives have passed.
const OVERDUE_MS: i64 = 60 * 60 * 1_000;

/// How a test stands, for people to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The last run failed, and its messages lie in the dead-letter queue.
    Parked,
    /// The last run failed; its messages come again.
    Failed,
    /// More was asked for than is synced, and nobody is known to be at it: its messages come again, unless they
    /// were lost.
    Behind,
    /// A run is at it.
    Running,
    /// A follow-up is on its way that syncs it.
    Waiting,
    /// All that was asked for is synced.
    Synced,
    /// Nobody asked for it.
    Unknown,
}

impl Standing {
    pub const ALL: [Self; 7] =
        [Self::Parked, Self::Failed, Self::Behind, Self::Running, Self::Waiting, Self::Synced, Self::Unknown];

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
    /// How the test stands at `now`, and since when (ms since 1970; of one that waits: until when).
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

    /// The follow-up that is on its way, unless it is so late that it is counted on no more.
    #[must_use]
    pub fn awaited(&self, now: i64) -> Option<&FollowUp> {
        self.follow_up.as_ref().filter(|it| now < it.due.saturating_add(OVERDUE_MS))
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
    fn a_test_stands_as_its_state_says() {
        let lease = |until| Some(Lease { owner: "a".into(), message_id: "m".into(), until });
        let follow_up = |due| Some(FollowUp { message_id: "m".into(), due });
        let finished = after(RunResult::Finished);
        let asked = SyncState { requested_through: NOW - 2_000, ..finished.clone() };
        let cases = [
            (SyncState::default(), Standing::Unknown, NOW),
            (finished.clone(), Standing::Synced, NOW - 5_000),
            (asked.clone(), Standing::Behind, NOW - 2_000),
            (SyncState { lease: lease(NOW + 1), ..asked.clone() }, Standing::Running, NOW - 10_000),
            (SyncState { lease: lease(NOW), ..asked.clone() }, Standing::Behind, NOW - 2_000),
            (
                SyncState { follow_up: follow_up(NOW + 60_000), ..asked.clone() },
                Standing::Waiting,
                NOW + 60_000,
            ),
            (
                SyncState { follow_up: follow_up(NOW - 7_200_000), ..asked.clone() },
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
        }
    }
}
