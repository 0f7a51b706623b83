//! Which tests are behind.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use quiz_events::{Sink, StaleReason};
use quiz_sync_state::{
    Failing, FollowUp, LastRun, Lease, RequestedAgain, Rules, RunResult, StateKey, SyncState,
};
use reconcile::{Facts, StaleSession, stale_sessions};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const NOW: i64 = 1_795_250_164_000;

fn key(session_id: &str, sink: Sink) -> StateKey {
    StateKey { session_id: session_id.into(), sink }
}

fn of(states: &[(StateKey, SyncState)], answered: &[(&str, i64)], now: i64) -> Vec<StaleSession> {
    let answered: HashMap<String, i64> =
        answered.iter().map(|(quiz, at)| ((*quiz).to_owned(), *at)).collect();
    let sinks = [Sink::Warehouse, Sink::Reports];
    let grace = Duration::from_mins(10);
    stale_sessions(&Facts { states, answered: &answered, is_mongodb_up: true, sinks: &sinks, now, grace })
}

/// Synced an hour ago, all that was asked for by then.
fn synced() -> SyncState {
    let last = LastRun {
        result: Some(RunResult::Finished),
        read_started_at: NOW - HOUR,
        finished_at: NOW - HOUR + 4_000,
        ..LastRun::default()
    };
    SyncState {
        revision: 4,
        quiz_id: "q".into(),
        requested_through: NOW - HOUR - 5_000,
        synced_through: NOW - HOUR,
        generation: NOW - HOUR,
        last,
        ..SyncState::default()
    }
}

/// Asked for since, so long ago.
fn asked(ago: i64) -> SyncState {
    SyncState { requested_through: NOW - ago, ..synced() }
}

fn ended(result: RunResult, ago: i64) -> SyncState {
    let last = LastRun { result: Some(result), finished_at: NOW - ago, ..LastRun::default() };
    SyncState { last, ..asked(50 * MINUTE) }
}

/// What is found of one test that is synced in the warehouse.
fn reports(state: SyncState, answered: &[(&str, i64)]) -> Option<(StaleReason, i64, bool)> {
    let warehouse = SyncState { synced_through: NOW, ..synced() };
    let tests =
        of(&[(key("A_q", Sink::Reports), state), (key("A_q", Sink::Warehouse), warehouse)], answered, NOW);
    assert!(tests.len() <= 1 && tests.iter().all(|test| test.needs.len() == 1));
    let need = &tests.first()?.needs[0];
    assert_eq!((need.key.sink, need.is_due), (Sink::Reports, tests[0].is_due()));
    Some((need.because, NOW - need.since, need.is_due))
}

#[test]
fn a_test_is_behind_where_nobody_is_at_what_it_needs() {
    use StaleReason::{Answers, Asked, Failed, Parked};
    let lease = |until| Some(Lease { owner: "a".into(), message_id: "m".into(), until });
    let follow_up = |due| Some(FollowUp { message_id: "m".into(), due });
    let newer: &[(&str, i64)] = &[("q", NOW - 30 * MINUTE)];
    let cases = [
        ("all is synced", synced(), &[][..], None),
        ("what was answered is synced", synced(), &[("q", NOW - 61 * MINUTE)], None),
        ("another quiz is answered", synced(), &[("p", NOW - 30 * MINUTE)], None),
        ("answers are newer", synced(), newer, Some((Answers, 30 * MINUTE))),
        ("a clock is behind by less than the margin", synced(), &[("q", NOW - HOUR - 1_001)], None),
        ("a read may have missed it", synced(), &[("q", NOW - HOUR - 900)], Some((Answers, HOUR + 900))),
        ("a run is at it", SyncState { lease: lease(NOW + 1), ..asked(HOUR) }, newer, None),
        (
            "the run has died",
            SyncState { lease: lease(NOW), ..asked(50 * MINUTE) },
            &[],
            Some((Asked, 50 * MINUTE)),
        ),
        (
            "a follow-up is due",
            SyncState { follow_up: follow_up(NOW - MINUTE), ..asked(20 * MINUTE) },
            newer,
            None,
        ),
        (
            "the follow-up is lost",
            SyncState {
                follow_up: follow_up(NOW - 61 * MINUTE),
                synced_through: NOW - 2 * HOUR,
                ..asked(80 * MINUTE)
            },
            &[],
            Some((Asked, 80 * MINUTE)),
        ),
        ("asked for just now", asked(9 * MINUTE), &[], None),
        ("asked for and not synced", asked(10 * MINUTE), &[], Some((Asked, 10 * MINUTE))),
        ("its messages come again", ended(RunResult::Failed, 59 * MINUTE), newer, None),
        ("they have not", ended(RunResult::Failed, 60 * MINUTE), newer, Some((Failed, HOUR))),
        (
            "it failed, and a follow-up is due",
            SyncState { follow_up: follow_up(NOW), ..ended(RunResult::Failed, 2 * HOUR) },
            newer,
            None,
        ),
        ("parked just now", ended(RunResult::Parked, 29 * MINUTE), newer, None),
        ("parked", ended(RunResult::Parked, 30 * MINUTE), &[], Some((Parked, 30 * MINUTE))),
        (
            "a forced sync was parked, and nothing is missing",
            SyncState { requested_through: NOW - 2 * HOUR, ..ended(RunResult::Parked, 30 * MINUTE) },
            &[],
            None,
        ),
        (
            "it was half written",
            SyncState {
                requested_through: NOW - 2 * HOUR,
                progress: Some("parts".into()),
                ..ended(RunResult::Parked, 30 * MINUTE)
            },
            &[],
            Some((Parked, 30 * MINUTE)),
        ),
    ];
    for (what, state, answered, expected) in cases {
        let found = reports(state, answered);
        assert_eq!(found, expected.map(|(because, ago)| (because, ago, true)), "{what}");
    }
}

#[test]
fn a_test_that_does_not_heal_is_asked_for_ever_more_seldom() {
    let again = |times, ago| {
        let requested_again = Some(RequestedAgain { times, at: NOW - ago });
        reports(SyncState { requested_again, ..ended(RunResult::Parked, 40 * MINUTE) }, &[]).map(|it| it.2)
    };
    assert_eq!((again(1, 29 * MINUTE), again(1, 30 * MINUTE)), (Some(false), Some(true)));
    assert_eq!((again(3, 119 * MINUTE), again(3, 120 * MINUTE)), (Some(false), Some(true)));
    assert_eq!((again(60, 23 * HOUR), again(60, 24 * HOUR)), (Some(false), Some(true)));
}

#[test]
fn a_test_that_another_pass_is_claiming_is_left_to_it() {
    let parked = ended(RunResult::Parked, 40 * MINUTE);
    let due = |ago| {
        let claimed =
            SyncState { requested_again: Some(RequestedAgain { times: 1, at: NOW - ago }), ..parked.clone() };
        let tests = of(
            &[(key("A_q", Sink::Reports), claimed), (key("A_q", Sink::Warehouse), parked.clone())],
            &[],
            NOW,
        );
        (tests[0].needs.len(), tests[0].is_due())
    };
    assert_eq!((due(0), due(4 * MINUTE)), ((2, false), (2, false)));
    assert_eq!(due(5 * MINUTE), (2, true), "the other sink needs it still");
}

#[test]
fn a_sink_that_never_heard_of_a_test_needs_it_once_it_has_answers() {
    let of_reports = |state| [(key("A_q", Sink::Reports), state)];
    assert!(of(&of_reports(synced()), &[], NOW).is_empty(), "it may be older than the sink");
    let tests = of(&of_reports(synced()), &[("q", NOW - 2 * HOUR)], NOW);
    let needs: Vec<_> = tests[0].needs.iter().map(|need| (need.key.sink, need.seen.revision)).collect();
    assert_eq!((&*tests[0].quiz_id, needs), ("q", vec![(Sink::Warehouse, 0)]));
}

#[test]
fn a_test_is_told_once_for_both_sinks_and_the_oldest_first() {
    let stale = SyncState { requested_through: NOW - 40 * MINUTE, ..synced() };
    let renamed = SyncState { quiz_id: "q2".into(), requested_through: NOW - 20 * MINUTE, ..synced() };
    let states = [
        (key("A", Sink::Reports), renamed.clone()),
        (key("A", Sink::Warehouse), SyncState { quiz_id: "q1".into(), requested_through: 1, ..renamed }),
        (key("B", Sink::Reports), stale.clone()),
        (key("B", Sink::Warehouse), stale),
    ];
    let tests = of(&states, &[("q2", NOW - 20 * MINUTE)], NOW);
    let told: Vec<_> = tests.iter().map(|it| (&*it.session_id, &*it.quiz_id, it.needs.len())).collect();
    assert_eq!(told, [("B", "q", 2), ("A", "q2", 2)], "the newest request says which quiz it is");
}

/// Parked so long ago, for want of a service.
fn parked_by(code: &str, ago: i64) -> SyncState {
    let failing = Some(Failing { since: NOW - ago - HOUR, code: code.into() });
    SyncState { failing, ..ended(RunResult::Parked, ago) }
}

/// Whether a test session that is parked in this sink is found and due. The other one has finished a sync into the same
/// sink so long ago.
fn due_after_outage(sink: Sink, state: SyncState, is_mongodb_up: bool, other_finished: i64) -> bool {
    let last = LastRun {
        result: Some(RunResult::Finished),
        finished_at: NOW - other_finished,
        ..LastRun::default()
    };
    let other = SyncState { synced_through: 1, last, ..synced() };
    let states = [(key("A_q", sink), state), (key("B_q", sink), SyncState { requested_through: 0, ..other })];
    let (answered, sinks) = (HashMap::new(), [sink]);
    let grace = Duration::from_mins(10);
    let facts = Facts { states: &states, answered: &answered, is_mongodb_up, sinks: &sinks, now: NOW, grace };
    stale_sessions(&facts).iter().any(StaleSession::is_due)
}

#[test]
fn parked_session_is_due_at_once_where_its_service_works() {
    let cases = [
        ("MongoDB answers", Sink::Reports, "source_unavailable", true, HOUR, true),
        ("MongoDB is down", Sink::Reports, "source_unavailable", false, 0, false),
        ("the states are read", Sink::Reports, "sink_failed", false, HOUR, true),
        ("BigQuery has taken a sync since", Sink::Warehouse, "sink_failed", true, MINUTE, true),
        ("BigQuery has taken none since", Sink::Warehouse, "sink_failed", true, 11 * MINUTE, false),
        ("a follow-up is not sent", Sink::Reports, "follow_up_not_sent", true, 11 * MINUTE, false),
        ("its own cause", Sink::Reports, "malformed_quiz", true, MINUTE, false),
    ];
    for (what, sink, code, is_mongodb_up, other_finished, expected) in cases {
        let state = parked_by(code, 10 * MINUTE);
        assert_eq!(due_after_outage(sink, state, is_mongodb_up, other_finished), expected, "{what}");
    }
}

#[test]
fn wait_does_not_double_for_requests_before_the_outage_parked_them() {
    let due = |parked_ago, asked_ago, is_mongodb_up| {
        let requested_again = Some(RequestedAgain { times: 9, at: NOW - asked_ago });
        let state = SyncState { requested_again, ..parked_by("source_unavailable", parked_ago) };
        due_after_outage(Sink::Reports, state, is_mongodb_up, HOUR)
    };
    assert!(!due(29 * MINUTE, 26 * HOUR, false));
    assert!(due(30 * MINUTE, 40 * MINUTE, false), "as if for the first time");
    assert!(due(MINUTE, 40 * MINUTE, true));
    assert!(!due(40 * MINUTE, 35 * MINUTE, true), "that request's message is in the queue");
    assert!(due(26 * HOUR, 25 * HOUR, true), "or was lost");
}

prop_compose! {
    fn ago(longest: i64)(ago in 0..longest) -> i64 { NOW - ago }
}

prop_compose! {
    fn any_state()(
        revision in 1..9_u64,
        quiz in 0..3,
        requested_through in ago(3 * HOUR),
        synced_through in prop_oneof![Just(0), ago(3 * HOUR)],
        lease in prop::option::of(NOW - HOUR..NOW + MINUTE),
        follow_up in prop::option::of(NOW - 2 * HOUR..NOW + MINUTE),
        result in prop::option::of(prop_oneof![
            Just(RunResult::Finished), Just(RunResult::Failed), Just(RunResult::Parked), Just(RunResult::Paused),
        ]),
        finished_at in ago(3 * HOUR),
        is_half_written in any::<bool>(),
        requested_again in prop::option::of((1..9_u32, ago(30 * HOUR))),
        failing in prop::option::of((ago(30 * HOUR), prop_oneof![
            Just("source_unavailable"), Just("sink_failed"), Just("follow_up_not_sent"), Just("malformed_quiz"),
        ])),
    ) -> SyncState {
        SyncState {
            revision,
            quiz_id: format!("q{quiz}"),
            requested_through,
            synced_through,
            lease: lease.map(|until| Lease { owner: "a".into(), message_id: "m".into(), until }),
            follow_up: follow_up.map(|due| FollowUp { message_id: "m".into(), due }),
            last: LastRun { result, finished_at, ..LastRun::default() },
            progress: is_half_written.then(|| "parts".into()),
            requested_again: requested_again.map(|(times, at)| RequestedAgain { times, at }),
            failing: failing.map(|(since, code)| Failing { since, code: code.into() }),
            ..SyncState::default()
        }
    }
}

fn any_states() -> impl Strategy<Value = Vec<(StateKey, SyncState)>> {
    let sinks = || prop::option::of(any_state());
    prop::collection::vec((sinks(), sinks()), 0..6).prop_map(|tests| {
        let named = tests.into_iter().enumerate().flat_map(|(at, (reports, warehouse))| {
            [(Sink::Reports, reports), (Sink::Warehouse, warehouse)]
                .map(|(sink, state)| state.map(|state| (key(&format!("s{at}"), sink), state)))
        });
        named.flatten().collect()
    })
}

/// The states once all that is due is claimed.
fn claimed(states: &[(StateKey, SyncState)], tests: &[StaleSession], now: i64) -> Vec<(StateKey, SyncState)> {
    let mut states: HashMap<StateKey, SyncState> = states.iter().cloned().collect();
    for test in tests.iter().filter(|test| test.is_due()) {
        for need in &test.needs {
            let next = need.seen.request_again(&test.quiz_id, need.answered, now);
            states.insert(need.key.clone(), SyncState { revision: next.revision + 1, ..next });
        }
    }
    let mut states: Vec<_> = states.into_iter().collect();
    states.sort_by(|(a, _), (b, _)| a.cmp(b));
    states
}

/// The states once each of them has been synced at that time.
fn all_synced(states: &[(StateKey, SyncState)], now: i64) -> Vec<(StateKey, SyncState)> {
    let sync = |(key, state): &(StateKey, SyncState)| {
        let last = LastRun { result: Some(RunResult::Finished), finished_at: now, ..LastRun::default() };
        let done = SyncState {
            synced_through: now,
            last,
            lease: None,
            progress: None,
            requested_again: None,
            ..state.clone()
        };
        (key.clone(), done)
    };
    states.iter().map(sync).collect()
}

proptest! {
    #[test]
    fn what_is_found_is_in_order_once_each_and_free(
        states in any_states(), answers in prop::collection::hash_map(0..3, ago(3 * HOUR), 0..3),
    ) {
        let answered: Vec<(String, i64)> = answers.iter().map(|(quiz, at)| (format!("q{quiz}"), *at)).collect();
        let answered: Vec<(&str, i64)> = answered.iter().map(|(quiz, at)| (&**quiz, *at)).collect();
        let tests = of(&states, &answered, NOW);
        prop_assert!(tests.is_sorted_by_key(|test| (test.behind_since(), test.session_id.clone())));
        let mut sessions: Vec<&String> = tests.iter().map(|test| &test.session_id).collect();
        sessions.sort();
        sessions.dedup();
        prop_assert_eq!(sessions.len(), tests.len());
        for need in tests.iter().flat_map(|test| &test.needs) {
            let stored = states.iter().find(|(key, _)| *key == need.key).map(|(_, state)| state.clone());
            prop_assert_eq!(&need.seen, &stored.unwrap_or_default());
            prop_assert!(need.seen.held(NOW).is_none() && need.seen.awaited(NOW).is_none());
            prop_assert!(need.behind_since <= NOW && need.since <= NOW);
        }
    }

    #[test]
    fn what_is_claimed_is_not_asked_for_again_at_once_and_what_is_synced_not_at_all(
        states in any_states(), quiz in 0..3, at in ago(3 * HOUR),
    ) {
        let quiz = format!("q{quiz}");
        let answered: &[(&str, i64)] = &[(&quiz, at)];
        let after = claimed(&states, &of(&states, answered, NOW), NOW);
        let again = of(&after, answered, NOW);
        prop_assert!(again.iter().all(|test| !test.is_due()), "{again:?}");
        let sinks_known = all_synced(&after, NOW + 2_000);
        let after_sync = of(&sinks_known, &[], NOW + 2 * HOUR);
        prop_assert!(after_sync.is_empty(), "{after_sync:?}");
    }

    #[test]
    fn what_is_behind_is_due_within_a_day_and_two_hours(states in any_states()) {
        let rules = Rules::default();
        let is_behind = |state: &SyncState| !state.has_synced(state.requested_through, &rules) || state.progress.is_some();
        let later = of(&states, &[], NOW + 26 * HOUR);
        for (key, _) in states.iter().filter(|(_, state)| is_behind(state)) {
            let test = later.iter().find(|test| test.session_id == key.session_id).unwrap();
            let need = test.needs.iter().find(|need| need.key == *key).unwrap();
            prop_assert!(need.is_due, "{need:?}");
        }
    }
}
