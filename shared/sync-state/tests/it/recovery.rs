//! Failures and their end, as the state keeps them.

use quiz_sync_state::{
    Ending, Failing, LastRun, Lease, LeaseHolder, Recovered, Rules, RunFailure, SyncState,
};

const OWNER: &str = "a";

fn hold(state: &SyncState) -> LeaseHolder {
    LeaseHolder { owner: OWNER.into(), generation: state.generation }
}

/// A run has taken the lease.
fn running(state: SyncState) -> SyncState {
    let lease = Some(Lease { owner: OWNER.into(), message_id: "m".into(), until: i64::MAX });
    SyncState { lease, generation: state.generation + 1, ..state }
}

fn stored(ending: Ending) -> SyncState {
    let Ending::Store { next, .. } = ending else { panic!("its end is stored") };
    *next
}

fn failed(state: &SyncState, at: i64) -> SyncState {
    let failure = RunFailure { code: "sink_failed".into(), error: "no answer".into(), parked: false };
    let state = running(state.clone());
    stored(state.failed(&hold(&state), failure, None, at))
}

fn finished(state: &SyncState, read_started_at: i64, at: i64) -> SyncState {
    let state = running(state.clone());
    let last = LastRun { read_started_at, finished_at: at, ..LastRun::default() };
    stored(state.finished(&hold(&state), &last, &Rules::default()))
}

#[test]
fn run_that_writes_ends_the_failures() {
    let failing = failed(&failed(&SyncState::default(), 3_000), 11_000);
    assert_eq!(failing.failing, Some(Failing { since: 3_000, code: "sink_failed".into() }));
    assert_eq!((failing.recovered.as_ref(), failing.worked_at()), (None, None));

    let done = finished(&failing, 21_000, 25_000);
    let recovered = Some(Recovered { since: 3_000, at: 25_000, code: "sink_failed".into() });
    assert_eq!((&done.failing, &done.recovered, done.worked_at()), (&None, &recovered, Some(25_000)));

    let half = running(failing);
    let half = stored(half.paused(&hold(&half), "half".into(), 25_000));
    assert_eq!((&half.failing, &half.recovered), (&None, &recovered));
}

#[test]
fn later_runs_keep_the_recovery() {
    let done = finished(&failed(&SyncState::default(), 3_000), 21_000, 25_000);
    let later = finished(&done, 201_000, 202_000);
    assert_eq!((&later.recovered, later.worked_at()), (&done.recovered, Some(202_000)));
    let failing = failed(&later, 203_000);
    assert_eq!(failing.worked_at(), Some(200_999), "when the newest sync began to read");
    assert_eq!(failing.recovered, done.recovered);
}
