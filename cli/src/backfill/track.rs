//! How the tests of a backfill stand, by their sync states. Pure.

use std::collections::HashMap;

use quiz_events::Sink;
use quiz_sync_state::{Rules, RunResult, StateKey, SyncState};
use serde::{Deserialize, Serialize};

/// A state as it was just before its test was published, in ms since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    pub requested_through: i64,
    pub finished_at: i64,
    /// By this machine's clock.
    pub published_at: i64,
}

impl Before {
    #[must_use]
    pub fn of(state: &SyncState, published_at: i64) -> Self {
        Self { requested_through: state.requested_through, finished_at: state.last.finished_at, published_at }
    }
}

/// How one test stands in one sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Nobody has begun it yet, or a follow-up waits for its time.
    Waiting,
    Running,
    /// A run failed, and the message comes again.
    Retrying {
        error: String,
    },
    /// Its message lies in the dead-letter queue.
    Failed {
        error: String,
    },
    Done,
}

impl Stand {
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Done | Self::Failed { .. })
    }
}

/// How a test stands that was published when `before` was.
#[must_use]
pub fn stand(before: &Before, state: &SyncState, now: i64, rules: &Rules) -> Stand {
    // either someone took the request on, or a sync for others began its read after it
    let is_asked = state.requested_through > before.requested_through;
    let through = if is_asked { state.requested_through } else { before.published_at };
    let is_synced = state.has_synced(through, rules) && state.progress.is_none();
    if is_synced && state.last.finished_at > before.finished_at {
        return Stand::Done;
    }
    if state.held(now).is_some() {
        return Stand::Running;
    }
    let is_newer = state.last.finished_at > before.finished_at;
    let error = || state.last.error.clone().unwrap_or_else(|| "it does not say why".to_owned());
    match state.last.result {
        Some(RunResult::Parked) if is_newer => Stand::Failed { error: error() },
        Some(RunResult::Failed) if is_newer => Stand::Retrying { error: error() },
        _ => Stand::Waiting,
    }
}

/// All tests of a backfill.
#[derive(Clone, Debug)]
pub struct Tracker {
    sinks: Vec<Sink>,
    tests: Vec<Tracked>,
}

#[derive(Clone, Debug)]
struct Tracked {
    session_id: String,
    /// By sink, in the order of the sinks; empty until it is published.
    before: Vec<Before>,
    stands: Vec<Stand>,
}

/// A test that one sink gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedTest {
    pub session_id: String,
    pub sink: Sink,
    pub error: String,
}

/// How many tests stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub tests: u64,
    pub published: u64,
    /// In every sink.
    pub done: u64,
    /// In a sink, …
    pub failed: u64,
    /// … or about to be tried there again.
    pub retrying: u64,
    pub running: u64,
}

impl Tracker {
    #[must_use]
    pub fn new(sinks: Vec<Sink>, session_ids: impl IntoIterator<Item = String>) -> Self {
        let tracked = |session_id| Tracked { session_id, before: Vec::new(), stands: Vec::new() };
        Self { sinks, tests: session_ids.into_iter().map(tracked).collect() }
    }

    /// Notes that SNS has a test, and how it stood before.
    pub fn published(&mut self, session_id: &str, before: &HashMap<Sink, Before>) {
        let of_sinks = self.sinks.iter().map(|sink| before.get(sink).copied().unwrap_or_default());
        if let Some(test) = self.tests.iter_mut().find(|test| test.session_id == session_id) {
            test.before = of_sinks.collect();
            test.stands = vec![Stand::Waiting; test.before.len()];
        }
    }

    /// The tests that are still to be published.
    #[must_use]
    pub fn unpublished(&self) -> Vec<String> {
        let left = self.tests.iter().filter(|test| test.before.is_empty());
        left.map(|test| test.session_id.clone()).collect()
    }

    /// The states to look at: of what is published and not done.
    #[must_use]
    pub fn open(&self) -> Vec<StateKey> {
        let of_test = |test: &Tracked| {
            let open = self.sinks.iter().zip(&test.stands).filter(|(_, stand)| **stand != Stand::Done);
            let key = |sink: Sink| StateKey { session_id: test.session_id.clone(), sink };
            open.map(|(sink, _)| key(*sink)).collect::<Vec<_>>()
        };
        self.tests.iter().flat_map(of_test).collect()
    }

    /// Takes in states that were read; tells whether anything changed.
    pub fn observe(&mut self, states: &HashMap<StateKey, SyncState>, now: i64, rules: &Rules) -> bool {
        let mut changed = false;
        for test in &mut self.tests {
            for ((sink, before), known) in self.sinks.iter().zip(&test.before).zip(&mut test.stands) {
                let key = StateKey { session_id: test.session_id.clone(), sink: *sink };
                if let Some(state) = states.get(&key) {
                    let stand = stand(before, state, now, rules);
                    changed |= stand != *known;
                    *known = stand;
                }
            }
        }
        changed
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for test in &self.tests {
            let any = |wanted: fn(&Stand) -> bool| u64::from(test.stands.iter().any(wanted));
            counts.tests += 1;
            counts.published += u64::from(!test.before.is_empty());
            let is_done = !test.stands.is_empty() && test.stands.iter().all(|it| *it == Stand::Done);
            counts.done += u64::from(is_done);
            counts.failed += any(|it| matches!(it, Stand::Failed { .. }));
            counts.retrying += any(|it| matches!(it, Stand::Retrying { .. }));
            counts.running += any(|it| *it == Stand::Running);
        }
        counts
    }

    /// Whether nothing is left to wait for.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.tests.iter().all(|test| !test.stands.is_empty() && test.stands.iter().all(Stand::is_settled))
    }

    #[must_use]
    pub fn failures(&self) -> Vec<FailedTest> {
        self.with_error(|stand| match stand {
            Stand::Failed { error } => Some(error),
            _ => None,
        })
    }

    /// What failed and is tried again.
    #[must_use]
    pub fn retrying(&self) -> Vec<FailedTest> {
        self.with_error(|stand| match stand {
            Stand::Retrying { error } => Some(error),
            _ => None,
        })
    }

    fn with_error(&self, error: fn(&Stand) -> Option<&String>) -> Vec<FailedTest> {
        let of_test = |test: &Tracked| {
            let failed = self.sinks.iter().zip(&test.stands).filter_map(|(sink, stand)| {
                let (session_id, error) = (test.session_id.clone(), error(stand)?.clone());
                Some(FailedTest { session_id, sink: *sink, error })
            });
            failed.collect::<Vec<_>>()
        };
        self.tests.iter().flat_map(of_test).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Before, Counts, Stand, Tracker, stand};
    use quiz_events::Sink;
    use quiz_sync_state::{LastRun, Lease, Rules, RunResult, StateKey, SyncState};
    use std::collections::HashMap;

    const NOW: i64 = 1_714_500_000_000;
    const BEFORE: Before =
        Before { requested_through: NOW - 90_000, finished_at: NOW - 80_000, published_at: NOW - 60_000 };

    /// Synced before the test was published, and not since.
    fn untouched() -> SyncState {
        let last =
            LastRun { result: Some(RunResult::Finished), finished_at: NOW - 80_000, ..LastRun::default() };
        let (requested_through, synced_through) = (NOW - 90_000, NOW - 85_000);
        SyncState { revision: 7, requested_through, synced_through, last, ..SyncState::default() }
    }

    fn ended(result: RunResult, finished_at: i64, error: Option<&str>) -> LastRun {
        LastRun { result: Some(result), finished_at, error: error.map(str::to_owned), ..LastRun::default() }
    }

    #[test]
    fn a_test_stands_by_what_happened_since_it_was_published() {
        let asked = SyncState { requested_through: NOW - 59_900, ..untouched() };
        let synced = SyncState { synced_through: NOW - 58_000, ..asked.clone() };
        let finished = ended(RunResult::Finished, NOW - 50_000, None);
        let lease = Some(Lease { owner: "a".into(), message_id: "m".into(), until: NOW + 1 });
        let failed = |result| ended(result, NOW - 50_000, Some("no route"));
        let error = || "no route".to_owned();
        // a sync for others began its read after the publication, so the message is covered without a trace
        let covered = SyncState {
            synced_through: NOW - 57_000,
            last: ended(RunResult::Finished, NOW - 50_000, None),
            ..untouched()
        };
        let cases = [
            ("nobody took it", SyncState::default(), Stand::Waiting),
            ("as it was before", untouched(), Stand::Waiting),
            ("asked for", asked.clone(), Stand::Waiting),
            ("at work", SyncState { lease: lease.clone(), ..asked.clone() }, Stand::Running),
            ("done", SyncState { last: finished.clone(), ..synced.clone() }, Stand::Done),
            ("covered by another's sync", covered, Stand::Done),
            (
                "done for an older request",
                SyncState { last: finished.clone(), ..asked.clone() },
                Stand::Waiting,
            ),
            (
                "a part is written",
                SyncState { progress: Some("p".into()), last: finished, ..synced.clone() },
                Stand::Waiting,
            ),
            (
                "to be tried again",
                SyncState { last: failed(RunResult::Failed), ..asked.clone() },
                Stand::Retrying { error: error() },
            ),
            (
                "given up",
                SyncState { last: failed(RunResult::Parked), ..asked.clone() },
                Stand::Failed { error: error() },
            ),
            (
                "given up, and replayed",
                SyncState { lease, last: failed(RunResult::Parked), ..asked.clone() },
                Stand::Running,
            ),
            (
                "given up before",
                SyncState { last: ended(RunResult::Parked, NOW - 80_000, Some("old")), ..asked },
                Stand::Waiting,
            ),
        ];
        for (what, state, expected) in cases {
            assert_eq!(stand(&BEFORE, &state, NOW, &Rules::default()), expected, "{what}");
        }
    }

    #[test]
    fn a_test_is_done_when_every_sink_is_and_counts_as_failed_when_one_is() {
        let mut tracker = Tracker::new(Sink::ALL.to_vec(), ["A", "B", "C"].map(str::to_owned));
        let before = HashMap::from(Sink::ALL.map(|sink| (sink, BEFORE)));
        tracker.published("A", &before);
        tracker.published("B", &before);
        assert_eq!((tracker.unpublished(), tracker.open().len()), (vec!["C".to_owned()], 4));
        let key = |session: &str, sink| StateKey { session_id: session.into(), sink };
        let done = SyncState {
            requested_through: NOW - 59_000,
            synced_through: NOW - 57_000,
            last: ended(RunResult::Finished, NOW - 50_000, None),
            ..untouched()
        };
        let parked =
            SyncState { last: ended(RunResult::Parked, NOW - 50_000, Some("no route")), ..untouched() };
        let mut states = HashMap::from([
            (key("A", Sink::Reports), done.clone()),
            (key("A", Sink::Warehouse), done.clone()),
            (key("B", Sink::Reports), done.clone()),
            (key("B", Sink::Warehouse), parked),
        ]);
        assert!(tracker.observe(&states, NOW, &Rules::default()));
        assert!(!tracker.observe(&states, NOW, &Rules::default()), "nothing changed since");
        let counts = Counts { tests: 3, published: 2, done: 1, failed: 1, ..Counts::default() };
        assert_eq!(tracker.counts(), counts);
        assert_eq!(tracker.failures()[0].sink, Sink::Warehouse);
        assert!(!tracker.is_settled(), "one is not published");
        tracker.published("C", &before);
        for sink in Sink::ALL {
            states.insert(key("C", sink), done.clone());
        }
        tracker.observe(&states, NOW, &Rules::default());
        assert!(tracker.is_settled());
        assert_eq!(tracker.open(), [key("B", Sink::Warehouse)], "a replay may still mend it");
    }
}
