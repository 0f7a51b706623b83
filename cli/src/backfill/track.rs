//! The progress of a backfill, computed from sync states; without I/O.
//!
//! A test session is done in a sink once a sync has finished that covers its request. Finished runs from before the
//! publication do not count, so each test session keeps the sync states from just before it ([`StateBefore`]).

use std::collections::HashMap;

use quiz_events::Sink;
use quiz_sync_state::{Rules, RunResult, StateKey, SyncState};
use serde::{Deserialize, Serialize};

/// Times of a sync state just before the publication of its test session, in ms since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateBefore {
    pub requested_through: i64,
    pub finished_at: i64,
    /// On this machine's clock.
    pub published_at: i64,
}

impl StateBefore {
    #[must_use]
    pub fn new(state: &SyncState, published_at: i64) -> Self {
        Self { requested_through: state.requested_through, finished_at: state.last.finished_at, published_at }
    }
}

/// The progress of one test session in one sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkStatus {
    /// No run has started yet, or a follow-up is delayed.
    Waiting,
    Running,
    /// A run failed, and SQS delivers the message again.
    Retrying {
        error: String,
    },
    /// The message is parked.
    Failed {
        error: String,
    },
    Done,
}

impl SinkStatus {
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Done | Self::Failed { .. })
    }
}

/// The status of a published test session in one sink.
#[must_use]
pub fn sink_status(before: &StateBefore, state: &SyncState, now: i64, rules: &Rules) -> SinkStatus {
    // the request moved the state, or a sync for another request began its read after the publication
    let is_requested = state.requested_through > before.requested_through;
    let through = if is_requested { state.requested_through } else { before.published_at };
    let is_synced = state.has_synced(through, rules) && state.progress.is_none();
    if is_synced && state.last.finished_at > before.finished_at {
        return SinkStatus::Done;
    }
    if state.held(now).is_some() {
        return SinkStatus::Running;
    }
    let is_newer = state.last.finished_at > before.finished_at;
    let error = || state.last.error.clone().unwrap_or_else(|| "no error recorded".to_owned());
    match state.last.result {
        Some(RunResult::Parked) if is_newer => SinkStatus::Failed { error: error() },
        Some(RunResult::Failed) if is_newer => SinkStatus::Retrying { error: error() },
        _ => SinkStatus::Waiting,
    }
}

/// The progress of all test sessions of a backfill.
#[derive(Clone, Debug)]
pub struct Tracker {
    sinks: Vec<Sink>,
    tests: Vec<TrackedSession>,
}

#[derive(Clone, Debug)]
struct TrackedSession {
    session_id: String,
    /// One for each sink, in the order of the sinks; empty until the test session is published.
    before: Vec<StateBefore>,
    statuses: Vec<SinkStatus>,
}

/// A test session that failed in one sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedSync {
    pub session_id: String,
    pub sink: Sink,
    pub error: String,
}

/// How many test sessions have each status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub tests: u64,
    pub published: u64,
    /// In all sinks.
    pub done: u64,
    /// In at least one sink.
    pub failed: u64,
    /// In at least one sink.
    pub retrying: u64,
    /// In at least one sink.
    pub running: u64,
}

impl Tracker {
    #[must_use]
    pub fn new(sinks: Vec<Sink>, session_ids: impl IntoIterator<Item = String>) -> Self {
        let tracked = |session_id| TrackedSession { session_id, before: Vec::new(), statuses: Vec::new() };
        Self { sinks, tests: session_ids.into_iter().map(tracked).collect() }
    }

    /// Records that SNS has accepted a test session, and its sync states before that.
    pub fn record_published(&mut self, session_id: &str, before: &HashMap<Sink, StateBefore>) {
        let states = self.sinks.iter().map(|sink| before.get(sink).copied().unwrap_or_default());
        if let Some(test) = self.tests.iter_mut().find(|test| test.session_id == session_id) {
            test.before = states.collect();
            test.statuses = vec![SinkStatus::Waiting; test.before.len()];
        }
    }

    /// The test sessions that are not published yet.
    #[must_use]
    pub fn unpublished(&self) -> Vec<String> {
        let left = self.tests.iter().filter(|test| test.before.is_empty());
        left.map(|test| test.session_id.clone()).collect()
    }

    /// The keys of the sync states to read: published and not done.
    #[must_use]
    pub fn open(&self) -> Vec<StateKey> {
        let open_keys = |test: &TrackedSession| {
            let open =
                self.sinks.iter().zip(&test.statuses).filter(|(_, status)| **status != SinkStatus::Done);
            let key = |sink: Sink| StateKey { session_id: test.session_id.clone(), sink };
            open.map(|(sink, _)| key(*sink)).collect::<Vec<_>>()
        };
        self.tests.iter().flat_map(open_keys).collect()
    }

    /// Updates the progress from sync states, and returns whether anything changed.
    pub fn observe(&mut self, states: &HashMap<StateKey, SyncState>, now: i64, rules: &Rules) -> bool {
        let mut changed = false;
        for test in &mut self.tests {
            for ((sink, before), known) in self.sinks.iter().zip(&test.before).zip(&mut test.statuses) {
                let key = StateKey { session_id: test.session_id.clone(), sink: *sink };
                if let Some(state) = states.get(&key) {
                    let status = sink_status(before, state, now, rules);
                    changed |= status != *known;
                    *known = status;
                }
            }
        }
        changed
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for test in &self.tests {
            let any = |wanted: fn(&SinkStatus) -> bool| u64::from(test.statuses.iter().any(wanted));
            counts.tests += 1;
            counts.published += u64::from(!test.before.is_empty());
            let is_done =
                !test.statuses.is_empty() && test.statuses.iter().all(|status| *status == SinkStatus::Done);
            counts.done += u64::from(is_done);
            counts.failed += any(|status| matches!(status, SinkStatus::Failed { .. }));
            counts.retrying += any(|status| matches!(status, SinkStatus::Retrying { .. }));
            counts.running += any(|status| *status == SinkStatus::Running);
        }
        counts
    }

    /// Whether each test session is done or failed in each sink.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.tests
            .iter()
            .all(|test| !test.statuses.is_empty() && test.statuses.iter().all(SinkStatus::is_settled))
    }

    #[must_use]
    pub fn failures(&self) -> Vec<FailedSync> {
        self.with_error(|status| match status {
            SinkStatus::Failed { error } => Some(error),
            _ => None,
        })
    }

    /// The test sessions whose last run failed and that SQS delivers again.
    #[must_use]
    pub fn retrying(&self) -> Vec<FailedSync> {
        self.with_error(|status| match status {
            SinkStatus::Retrying { error } => Some(error),
            _ => None,
        })
    }

    fn with_error(&self, error: fn(&SinkStatus) -> Option<&String>) -> Vec<FailedSync> {
        let failed_sinks = |test: &TrackedSession| {
            let failed = self.sinks.iter().zip(&test.statuses).filter_map(|(sink, status)| {
                let (session_id, error) = (test.session_id.clone(), error(status)?.clone());
                Some(FailedSync { session_id, sink: *sink, error })
            });
            failed.collect::<Vec<_>>()
        };
        self.tests.iter().flat_map(failed_sinks).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, SinkStatus, StateBefore, Tracker, sink_status};
    use quiz_events::Sink;
    use quiz_sync_state::{LastRun, Lease, Rules, RunResult, StateKey, SyncState};
    use std::collections::HashMap;

    const NOW: i64 = 1_714_500_000_000;
    const BEFORE: StateBefore = StateBefore {
        requested_through: NOW - 90_000,
        finished_at: NOW - 80_000,
        published_at: NOW - 60_000,
    };

    /// Synced before the publication, and not since.
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
    fn status_depends_on_runs_since_publication() {
        let requested = SyncState { requested_through: NOW - 59_900, ..untouched() };
        let synced = SyncState { synced_through: NOW - 58_000, ..requested.clone() };
        let finished = ended(RunResult::Finished, NOW - 50_000, None);
        let lease = Some(Lease { owner: "a".into(), message_id: "m".into(), until: NOW + 1 });
        let failed = |result| ended(result, NOW - 50_000, Some("no route"));
        let error = || "no route".to_owned();
        // a sync for another request began its read after the publication: it covers the request
        let covered = SyncState {
            synced_through: NOW - 57_000,
            last: ended(RunResult::Finished, NOW - 50_000, None),
            ..untouched()
        };
        let cases = [
            ("no state yet", SyncState::default(), SinkStatus::Waiting),
            ("as it was before", untouched(), SinkStatus::Waiting),
            ("requested", requested.clone(), SinkStatus::Waiting),
            ("running", SyncState { lease: lease.clone(), ..requested.clone() }, SinkStatus::Running),
            ("done", SyncState { last: finished.clone(), ..synced.clone() }, SinkStatus::Done),
            ("covered by another sync", covered, SinkStatus::Done),
            (
                "done for an older request",
                SyncState { last: finished.clone(), ..requested.clone() },
                SinkStatus::Waiting,
            ),
            (
                "partly written",
                SyncState { progress: Some("p".into()), last: finished, ..synced.clone() },
                SinkStatus::Waiting,
            ),
            (
                "failed, will be retried",
                SyncState { last: failed(RunResult::Failed), ..requested.clone() },
                SinkStatus::Retrying { error: error() },
            ),
            (
                "parked",
                SyncState { last: failed(RunResult::Parked), ..requested.clone() },
                SinkStatus::Failed { error: error() },
            ),
            (
                "parked and replayed",
                SyncState { lease, last: failed(RunResult::Parked), ..requested.clone() },
                SinkStatus::Running,
            ),
            (
                "parked before the publication",
                SyncState { last: ended(RunResult::Parked, NOW - 80_000, Some("old")), ..requested },
                SinkStatus::Waiting,
            ),
        ];
        for (case, state, expected) in cases {
            assert_eq!(sink_status(&BEFORE, &state, NOW, &Rules::default()), expected, "{case}");
        }
    }

    #[test]
    fn session_is_done_when_all_sinks_are() {
        let mut tracker = Tracker::new(Sink::ALL.to_vec(), ["A", "B", "C"].map(str::to_owned));
        let before = HashMap::from(Sink::ALL.map(|sink| (sink, BEFORE)));
        tracker.record_published("A", &before);
        tracker.record_published("B", &before);
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
        assert!(!tracker.is_settled(), "one test session is not published");
        tracker.record_published("C", &before);
        for sink in Sink::ALL {
            states.insert(key("C", sink), done.clone());
        }
        tracker.observe(&states, NOW, &Rules::default());
        assert!(tracker.is_settled());
        assert_eq!(tracker.open(), [key("B", Sink::Warehouse)], "a replay may still sync it");
    }
}
