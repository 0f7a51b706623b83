//! Histories of one test session, step by step, that were wrong once.

use std::time::Duration;

use quiz_sync_state::{
    Admission, Ending, FollowUp, LastRun, LeaseHolder, LeaseRequest, MOST_CRASHES, RequestedAgain, Rules,
    RunFailure, Standing, SyncState,
};

const RULES: Rules = Rules { margin: Duration::ZERO, lease: Duration::from_secs(20), ..Rules::DEFAULT };

fn lease_request(message_id: &str, through: i64, force: bool) -> LeaseRequest {
    LeaseRequest {
        quiz_id: "q".into(),
        through,
        message_ids: vec![message_id.into()],
        anchor: message_id.into(),
        force: force.then_some(through),
        description: None,
        newest_completion: None,
        owner: format!("owner of {message_id}"),
        not_before: None,
        is_alone: true,
        follow_up_depth: 0,
    }
}

fn stored(next: SyncState) -> SyncState {
    SyncState { revision: next.revision + 1, ..next }
}

#[test]
fn returning_holder_loses_its_lease_after_a_deferral() {
    let before =
        SyncState { revision: 1, quiz_id: "q".into(), synced_through: 100_000, ..SyncState::default() };
    let Admission::Run { next, .. } = before.admit(&lease_request("forced", 110_000, true), 110_000, &RULES)
    else {
        panic!("a forced request runs at once")
    };
    let run = stored(next);
    let hold = LeaseHolder { owner: "owner of forced".into(), generation: run.generation };

    let late = lease_request("late", 135_000, false);
    let Admission::Defer { due } = run.admit(&late, 135_000, &RULES) else {
        panic!("the lease is over, and the last read is not 90 s ago")
    };
    let deferred = stored(run.deferred(&late, FollowUp { message_id: "follow-up".into(), due }));
    assert_eq!(deferred.heartbeat(&hold, 150_000, &RULES), None);
    let last = LastRun { read_started_at: 150_000, ..LastRun::default() };
    assert_eq!(deferred.finished(&hold, &last, &RULES), Ending::Lost);
}

#[test]
fn follow_up_serves_all_requests_that_joined_it() {
    let follow_up = FollowUp { message_id: "follow-up".into(), due: 190_000 };
    let synced = SyncState {
        revision: 1,
        quiz_id: "q".into(),
        synced_through: 150_000,
        requested_through: 161_000,
        follow_up: Some(follow_up),
        ..SyncState::default()
    };
    let admitted = synced.admit(&lease_request("follow-up", 135_000, false), 190_000, &RULES);
    assert!(matches!(admitted, Admission::Run { .. }), "{admitted:?}");
}

fn run(state: &SyncState, request: &LeaseRequest, now: i64) -> (SyncState, LeaseHolder) {
    let Admission::Run { next, .. } = state.admit(request, now, &RULES) else {
        panic!("no run is under way")
    };
    let next = stored(next);
    let hold = LeaseHolder { owner: request.owner.clone(), generation: next.generation };
    (next, hold)
}

fn ended(ending: Ending) -> SyncState {
    let Ending::Store { next, .. } = ending else { panic!("its end is stored") };
    stored(*next)
}

fn failure() -> RunFailure {
    RunFailure { code: "source_unavailable".into(), error: "no answer".into(), parked: true }
}

/// A message is received twice at once: one copy joins the run of the other copy, which fails for the last time.
#[test]
fn test_session_without_messages_recovers_by_reconcile() {
    let (first, hold) = run(&SyncState::default(), &lease_request("copy", 100_000, false), 100_000);
    let Admission::Joined { next: Some(next), .. } =
        first.admit(&lease_request("other", 100_000, false), 100_500, &RULES)
    else {
        panic!("it joins")
    };
    let failed = ended(stored(next).failed(&hold, failure(), None, 101_000));
    assert_eq!(failed.standing(200_000, &RULES), (Standing::Parked, 101_000));
    let claimed = stored(failed.request_again("q", None, 3_000_000));
    let (running, hold) = run(&claimed, &lease_request("requested again", 3_000_100, false), 3_000_200);
    let last = LastRun { read_started_at: 3_001_000, ..LastRun::default() };
    let done = ended(running.finished(&hold, &last, &RULES));
    assert_eq!(done.standing(3_002_000, &RULES).0, Standing::Synced);
    assert_eq!(done.requested_again, None, "a sync has finished");
}

#[test]
fn reconcile_requests_are_counted_until_a_sync_finishes() {
    let requested_again = Some(RequestedAgain { times: 2, at: 5 });
    let idle = SyncState { revision: 1, quiz_id: "q".into(), requested_again, ..SyncState::default() };
    let (running, hold) = run(&idle, &lease_request("forced", 100_000, true), 100_000);
    let Admission::Joined { next: Some(joined), .. } =
        running.admit(&lease_request("b", 101_000, false), 101_000, &RULES)
    else {
        panic!("it joins")
    };
    let follow_up = FollowUp { message_id: "follow-up".into(), due: 200_000 };
    let kept = [
        idle.deferred(&lease_request("a", 100_000, false), follow_up),
        running.heartbeat(&hold, 101_000, &RULES).unwrap(),
        ended(running.failed(&hold, failure(), None, 102_000)),
        ended(running.paused(&hold, "half of it".into(), 102_000)),
        running,
        joined,
    ];
    assert!(kept.iter().all(|state| state.requested_again == requested_again));
}

#[test]
fn forced_request_needs_a_later_read_and_rewrite() {
    let synced =
        SyncState { revision: 1, quiz_id: "q".into(), synced_through: 50_000, ..SyncState::default() };
    let (running, hold) = run(&synced, &lease_request("a", 145_000, false), 150_000);
    assert!(!running.is_to_rewrite(&RULES));
    // sent long ago, and received while a run is under way that has read since
    let late = LeaseRequest { force: Some(165_000), ..lease_request("late", 149_000, true) };
    let Admission::Joined { next: Some(joined), .. } = running.admit(&late, 165_000, &RULES) else {
        panic!("it joins")
    };
    let last = LastRun { read_started_at: 160_000, ..LastRun::default() };
    let Ending::Store { next, due } = stored(joined).finished(&hold, &last, &RULES) else {
        panic!("its end is stored")
    };
    assert_eq!(due, Some(250_000), "a follow-up serves the forced request");
    assert!(next.is_to_rewrite(&RULES));

    let (second, hold) = run(&stored(*next), &lease_request("follow-up", 250_000, true), 250_000);
    let failed = ended(second.failed(&hold, failure(), None, 260_000));
    assert!(failed.is_to_rewrite(&RULES), "not everything is rewritten");
    let (third, hold) = run(&failed, &lease_request("again", 400_000, false), 400_000);
    assert!(third.is_to_rewrite(&RULES));
    let last = LastRun { read_started_at: 401_000, ..LastRun::default() };
    assert!(!ended(third.finished(&hold, &last, &RULES)).is_to_rewrite(&RULES));
}

fn with_neighbours(request: LeaseRequest) -> LeaseRequest {
    LeaseRequest { is_alone: false, ..request }
}

#[test]
fn crashed_run_isolates_the_next_run() {
    let (first, _) = run(&SyncState::default(), &lease_request("first", 1_000, false), 2_000);
    let late = lease_request("late", 30_000, false);
    let admitted = first.admit(&with_neighbours(late.clone()), 30_000, &RULES);
    assert_eq!(admitted, Admission::Isolate { crashed_runs: 1, began: 2_000 });
    let (second, hold) = run(&first, &late, 30_000);
    assert_eq!(second.crashed_runs, 1);
    // while its lease holds, others join it as they join any run
    let joins = second.admit(&with_neighbours(lease_request("joins", 31_000, false)), 31_000, &RULES);
    assert!(matches!(joins, Admission::Joined { .. }), "{joins:?}");
    let failed = ended(second.failed(&hold, failure(), None, 40_000));
    assert_eq!(failed.crashed_runs, 0, "a failed run is no crash");
}

#[test]
fn five_crashes_park_requests_for_some_minutes() {
    let mut state = SyncState::default();
    for at in (0..5).map(|crash| 100_000 * (crash + 1)) {
        (state, _) = run(&state, &lease_request("again", at, false), at);
    }
    let (at, late) = (600_000, lease_request("late", 600_000, false));
    assert_eq!(state.admit(&late, at, &RULES), Admission::Park { crashed_runs: 5 });
    let parked = stored(state.parked_for_crashes(&late, failure(), at));
    assert_eq!((parked.crashed_runs, &parked.lease, parked.requested_through), (5, &None, 600_000));
    assert_eq!(parked.standing(at, &RULES).0, Standing::Parked);
    let soon = lease_request("soon", at + 1_000, false);
    assert_eq!(parked.admit(&soon, at + 1_000, &RULES), Admission::Park { crashed_runs: 5 });
    let forced = lease_request("forced", at + 1_000, true);
    assert!(matches!(parked.admit(&forced, at + 1_000, &RULES), Admission::Run { .. }));
    // with another suspect in the batch, the forced request is deferred to a follow-up
    let deferred = with_neighbours(LeaseRequest { not_before: Some(at + 2_000), ..forced });
    let Admission::Defer { due } = parked.admit(&deferred, at + 1_000, &RULES) else { panic!("not alone") };
    let follow_up = FollowUp { message_id: "follow-up".into(), due };
    let deferred = stored(parked.deferred(&deferred, follow_up));
    let (forced, _) = run(&deferred, &lease_request("follow-up", at + 1_500, false), due);
    let crashed = forced.admit(&lease_request("follow-up", at + 1_500, false), at + 60_000, &RULES);
    assert_eq!(crashed, Admission::Park { crashed_runs: 6 }, "once");
    // a message parked later does not delay the next try
    let parked = stored(parked.parked_for_crashes(&soon, failure(), at + 1_000));
    let cool = at + 600_000;
    assert!(matches!(parked.admit(&lease_request("cool", cool, false), cool, &RULES), Admission::Run { .. }));
}

#[test]
fn follow_ups_in_a_row_are_counted() {
    let (running, hold) = run(&SyncState::default(), &lease_request("first", 1_000, false), 2_000);
    let joins = lease_request("joins", 5_000, false);
    let Admission::Joined { next: Some(joined), .. } = running.admit(&joins, 5_000, &RULES) else {
        panic!("the lease holds")
    };
    let last = LastRun { read_started_at: 3_000, ..LastRun::default() };
    let Ending::Store { next, due: Some(due) } = stored(joined).finished(&hold, &last, &RULES) else {
        panic!("the read was before the request")
    };
    let first = next.followed_up(FollowUp { message_id: "follow-up".into(), due });
    assert_eq!(first.follow_up_depth, 1);
    let follow_up = LeaseRequest { follow_up_depth: 7, ..lease_request("follow-up", due, false) };
    let (second, hold) = run(&stored(first), &follow_up, due);
    assert_eq!(second.follow_up_depth, 7, "a message knows its depth where the state lost it");
    let last = LastRun { read_started_at: due + 1_000, ..LastRun::default() };
    let Ending::Store { next, due: None } = second.finished(&hold, &last, &RULES) else {
        panic!("all is read")
    };
    assert_eq!(next.follow_up_depth, 0);
}

fn fails(parked: bool) -> RunFailure {
    RunFailure { parked, ..failure() }
}

#[test]
fn request_is_stored_before_it_is_admitted() {
    let request = lease_request("a", 100_000, false);
    let noted = stored(SyncState::default().noted(&request, &RULES).unwrap());
    assert_eq!((&*noted.quiz_id, noted.requested_through), ("q", 100_000));
    assert_eq!(noted.standing(100_001, &RULES), (Standing::Behind, 100_000));
    assert_eq!(noted.noted(&request, &RULES), None, "a redelivered message adds nothing");
    assert!(matches!(noted.admit(&request, 100_001, &RULES), Admission::Run { .. }));
    let (running, hold) = run(&noted, &request, 100_001);
    let last = LastRun { read_started_at: 101_500, ..LastRun::default() };
    let done = ended(running.finished(&hold, &last, &RULES));
    assert_eq!(done.noted(&request, &RULES), None, "it is synced");
    let other = LeaseRequest { quiz_id: "other".into(), ..lease_request("b", 200_000, false) };
    assert_eq!(done.noted(&other, &RULES), None, "admission decides about another quiz");
    let forced = done.noted(&lease_request("c", 200_000, true), &RULES).unwrap();
    assert_eq!(forced.rewrite_through, done.rewrite_through, "only an admitted request is forced");
}

#[test]
fn state_keeps_failures_until_a_sync_finishes() {
    let request = lease_request("a", 100_000, false);
    let early = SyncState::default().failed_early(&request, fails(false), 101_000, &RULES).unwrap();
    let early = stored(early);
    assert_eq!((early.requested_through, early.standing(102_000, &RULES).0), (100_000, Standing::Failed));
    let (running, hold) = run(&early, &request, 161_000);
    assert_eq!(
        running.failed_early(&lease_request("b", 161_500, false), fails(false), 162_000, &RULES),
        None
    );
    let later = RunFailure { code: "sink_failed".into(), ..fails(true) };
    let failed = ended(running.failed(&hold, later, None, 163_000));
    let failing = failed.failing.clone().unwrap();
    assert_eq!((failing.since, &*failing.code), (101_000, "sink_failed"));
    assert_eq!(failed.standing(164_000, &RULES), (Standing::Parked, 163_000));
    let (running, hold) = run(&failed, &lease_request("c", 300_000, false), 300_100);
    let last = LastRun { read_started_at: 302_000, ..LastRun::default() };
    let done = ended(running.finished(&hold, &last, &RULES));
    assert_eq!(done.failing, None);
    let covered = done.failed_early(&request, fails(false), 400_000, &RULES);
    assert_eq!(covered, None, "a covered request does not fail its test session");
}

/// Its messages are parked already: a new failure must not delay the next try.
#[test]
fn early_failure_keeps_the_state_after_crashes() {
    let crashing = SyncState { crashed_runs: MOST_CRASHES, revision: 1, ..SyncState::default() };
    assert_eq!(crashing.failed_early(&lease_request("a", 5, false), fails(false), 9, &RULES), None);
}
