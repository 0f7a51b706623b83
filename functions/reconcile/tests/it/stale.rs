//! Which test sessions are stale, why, and when a pass requests them.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use quiz_events::{Sink, StaleReason};
use quiz_sync_state::{
    Failing, FollowUp, LastRun, Lease, Recovered, RequestedAgain, Rules, RunResult, Standing, StateKey,
    SyncState,
};
use reconcile::{Facts, Outages, StaleSession, WorkedAt, find_outages, find_stale_sessions, note_work};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const NOW: i64 = 1_795_250_164_000;

fn key(session_id: &str, sink: Sink) -> StateKey {
    StateKey { session_id: session_id.into(), sink }
}

fn stale_sessions(states: &[(StateKey, SyncState)], answered: &[(&str, i64)], now: i64) -> Vec<StaleSession> {
    let answered: HashMap<String, i64> =
        answered.iter().map(|(quiz, at)| ((*quiz).to_owned(), *at)).collect();
    let sinks = [Sink::Warehouse, Sink::Reports];
    let grace = Duration::from_mins(10);
    let mut worked_at = WorkedAt::default();
    note_work(&mut worked_at, states);
    find_stale_sessions(&Facts {
        states,
        worked_at: &worked_at,
        answered: &answered,
        is_mongodb_up: true,
        sinks: &sinks,
        now,
        grace,
    })
}

/// Synced an hour ago, with no newer request.
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

/// Synced an hour ago, and requested `ago`.
fn requested(ago: i64) -> SyncState {
    SyncState { requested_through: NOW - ago, ..synced() }
}

fn ended(result: RunResult, ago: i64) -> SyncState {
    let last = LastRun { result: Some(result), finished_at: NOW - ago, ..LastRun::default() };
    SyncState { last, ..requested(50 * MINUTE) }
}

/// The need of a test session that is synced in the warehouse: reason, age and whether it is due.
fn reports(state: SyncState, answered: &[(&str, i64)]) -> Option<(StaleReason, i64, bool)> {
    let warehouse = SyncState { synced_through: NOW, ..synced() };
    let sessions = stale_sessions(
        &[(key("A_q", Sink::Reports), state), (key("A_q", Sink::Warehouse), warehouse)],
        answered,
        NOW,
    );
    assert!(sessions.len() <= 1 && sessions.iter().all(|session| session.needs.len() == 1));
    let need = &sessions.first()?.needs[0];
    assert_eq!((need.key.sink, need.is_due), (Sink::Reports, sessions[0].is_due()));
    Some((need.reason, NOW - need.since, need.is_due))
}

#[test]
fn session_is_stale_without_a_running_sync() {
    use StaleReason::{Answers, Asked, Failed, Parked};
    let lease = |until| Some(Lease { owner: "a".into(), message_id: "m".into(), until });
    let follow_up = |due| Some(FollowUp { message_id: "m".into(), due });
    let newer: &[(&str, i64)] = &[("q", NOW - 30 * MINUTE)];
    let cases = [
        ("everything is synced", synced(), &[][..], None),
        ("the answers are synced", synced(), &[("q", NOW - 61 * MINUTE)], None),
        ("another quiz is answered", synced(), &[("p", NOW - 30 * MINUTE)], None),
        ("answers are newer", synced(), newer, Some((Answers, 30 * MINUTE))),
        ("a clock is late by less than the margin", synced(), &[("q", NOW - HOUR - 1_001)], None),
        (
            "the read may have missed the answer",
            synced(),
            &[("q", NOW - HOUR - 900)],
            Some((Answers, HOUR + 900)),
        ),
        ("a sync is running", SyncState { lease: lease(NOW + 1), ..requested(HOUR) }, newer, None),
        (
            "the running sync died",
            SyncState { lease: lease(NOW), ..requested(50 * MINUTE) },
            &[],
            Some((Asked, 50 * MINUTE)),
        ),
        (
            "a follow-up is due",
            SyncState { follow_up: follow_up(NOW - MINUTE), ..requested(20 * MINUTE) },
            newer,
            None,
        ),
        (
            "the follow-up is lost",
            SyncState {
                follow_up: follow_up(NOW - 61 * MINUTE),
                synced_through: NOW - 2 * HOUR,
                ..requested(80 * MINUTE)
            },
            &[],
            Some((Asked, 80 * MINUTE)),
        ),
        ("requested just now", requested(9 * MINUTE), &[], None),
        ("requested and not synced", requested(10 * MINUTE), &[], Some((Asked, 10 * MINUTE))),
        ("the queue retries its messages", ended(RunResult::Failed, 59 * MINUTE), newer, None),
        ("the retries have not come", ended(RunResult::Failed, 60 * MINUTE), newer, Some((Failed, HOUR))),
        (
            "the sync failed, and a follow-up is due",
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
            "a sync wrote only a part",
            SyncState {
                requested_through: NOW - 2 * HOUR,
                progress: Some("parts".into()),
                ..ended(RunResult::Parked, 30 * MINUTE)
            },
            &[],
            Some((Parked, 30 * MINUTE)),
        ),
    ];
    for (case, state, answered, expected) in cases {
        let found = reports(state, answered);
        assert_eq!(found, expected.map(|(reason, ago)| (reason, ago, true)), "{case}");
    }
}

#[test]
fn wait_doubles_up_to_a_day() {
    let again = |times, ago| {
        let requested_again = Some(RequestedAgain { times, at: NOW - ago });
        reports(SyncState { requested_again, ..ended(RunResult::Parked, 40 * MINUTE) }, &[])
            .map(|(_, _, is_due)| is_due)
    };
    assert_eq!((again(1, 29 * MINUTE), again(1, 30 * MINUTE)), (Some(false), Some(true)));
    assert_eq!((again(3, 119 * MINUTE), again(3, 120 * MINUTE)), (Some(false), Some(true)));
    assert_eq!((again(60, 23 * HOUR), again(60, 24 * HOUR)), (Some(false), Some(true)));
}

#[test]
fn session_that_another_pass_claims_is_not_due() {
    let parked = ended(RunResult::Parked, 40 * MINUTE);
    let due = |ago| {
        let claimed =
            SyncState { requested_again: Some(RequestedAgain { times: 1, at: NOW - ago }), ..parked.clone() };
        let sessions = stale_sessions(
            &[(key("A_q", Sink::Reports), claimed), (key("A_q", Sink::Warehouse), parked.clone())],
            &[],
            NOW,
        );
        (sessions[0].needs.len(), sessions[0].is_due())
    };
    assert_eq!((due(0), due(4 * MINUTE)), ((2, false), (2, false)));
    assert_eq!(due(5 * MINUTE), (2, true), "the other sink needs it still");
}

#[test]
fn sink_without_a_state_needs_answered_sessions() {
    let reports_state = |state| [(key("A_q", Sink::Reports), state)];
    assert!(
        stale_sessions(&reports_state(synced()), &[], NOW).is_empty(),
        "the test session may be older than the sink"
    );
    let sessions = stale_sessions(&reports_state(synced()), &[("q", NOW - 2 * HOUR)], NOW);
    let needs: Vec<_> = sessions[0].needs.iter().map(|need| (need.key.sink, need.seen.revision)).collect();
    assert_eq!((&*sessions[0].quiz_id, needs), ("q", vec![(Sink::Warehouse, 0)]));
}

#[test]
fn session_is_listed_once_and_oldest_first() {
    let stale = SyncState { requested_through: NOW - 40 * MINUTE, ..synced() };
    let renamed = SyncState { quiz_id: "q2".into(), requested_through: NOW - 20 * MINUTE, ..synced() };
    let states = [
        (key("A", Sink::Reports), renamed.clone()),
        (key("A", Sink::Warehouse), SyncState { quiz_id: "q1".into(), requested_through: 1, ..renamed }),
        (key("B", Sink::Reports), stale.clone()),
        (key("B", Sink::Warehouse), stale),
    ];
    let sessions = stale_sessions(&states, &[("q2", NOW - 20 * MINUTE)], NOW);
    let listed: Vec<_> = sessions
        .iter()
        .map(|session| (&*session.session_id, &*session.quiz_id, session.needs.len()))
        .collect();
    assert_eq!(listed, [("B", "q", 2), ("A", "q2", 2)], "the newest request names the quiz");
}

/// Parked `ago` by the outage of a service.
fn parked_by(code: &str, ago: i64) -> SyncState {
    let failing = Some(Failing { since: NOW - ago - HOUR, code: code.into() });
    SyncState { failing, ..ended(RunResult::Parked, ago) }
}

/// Whether a test session that is parked in this sink is stale and due. Another test session has finished a sync into
/// the same sink `other_finished` ago.
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
    let mut worked_at = WorkedAt::default();
    note_work(&mut worked_at, &states);
    let facts = Facts {
        states: &states,
        worked_at: &worked_at,
        answered: &answered,
        is_mongodb_up,
        sinks: &sinks,
        now: NOW,
        grace,
    };
    find_stale_sessions(&facts).iter().any(StaleSession::is_due)
}

#[test]
fn parked_session_is_due_once_its_service_works() {
    let cases = [
        ("MongoDB answers", Sink::Reports, "source_unavailable", true, HOUR, true),
        ("MongoDB is down", Sink::Reports, "source_unavailable", false, 0, false),
        ("the states are read", Sink::Reports, "sink_failed", false, HOUR, true),
        ("BigQuery has accepted a sync since", Sink::Warehouse, "sink_failed", true, MINUTE, true),
        ("BigQuery has accepted no sync since", Sink::Warehouse, "sink_failed", true, 11 * MINUTE, false),
        ("a follow-up was not sent", Sink::Reports, "follow_up_not_sent", true, 11 * MINUTE, false),
        ("the session has a cause of its own", Sink::Reports, "malformed_quiz", true, MINUTE, false),
    ];
    for (case, sink, code, is_mongodb_up, other_finished, expected) in cases {
        let state = parked_by(code, 10 * MINUTE);
        assert_eq!(due_after_outage(sink, state, is_mongodb_up, other_finished), expected, "{case}");
    }
}

#[test]
fn wait_does_not_double_across_an_outage() {
    let due = |parked_ago, requested_ago, is_mongodb_up| {
        let requested_again = Some(RequestedAgain { times: 9, at: NOW - requested_ago });
        let state = SyncState { requested_again, ..parked_by("source_unavailable", parked_ago) };
        due_after_outage(Sink::Reports, state, is_mongodb_up, HOUR)
    };
    assert!(!due(29 * MINUTE, 26 * HOUR, false));
    assert!(due(30 * MINUTE, 40 * MINUTE, false), "as if for the first time");
    assert!(due(MINUTE, 40 * MINUTE, true));
    assert!(!due(40 * MINUTE, 35 * MINUTE, true), "that request's message is in the queue");
    assert!(due(26 * HOUR, 25 * HOUR, true), "the request was lost");
}

prop_compose! {
    fn ago(longest: i64)(ago in 0..longest) -> i64 { NOW - ago }
}

fn any_code() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("source_unavailable"),
        Just("sink_failed"),
        Just("follow_up_not_sent"),
        Just("malformed_quiz"),
    ]
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
        failing in prop::option::of((ago(30 * HOUR), any_code())),
        recovered in prop::option::of((ago(30 * HOUR), ago(3 * HOUR), any_code())),
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
            recovered: recovered.map(|(since, at, code)| Recovered { since, at, code: code.into() }),
            ..SyncState::default()
        }
    }
}

fn any_states() -> impl Strategy<Value = Vec<(StateKey, SyncState)>> {
    let sinks = || prop::option::of(any_state());
    prop::collection::vec((sinks(), sinks()), 0..6).prop_map(|sessions| {
        let named = sessions.into_iter().enumerate().flat_map(|(at, (reports, warehouse))| {
            [(Sink::Reports, reports), (Sink::Warehouse, warehouse)]
                .map(|(sink, state)| state.map(|state| (key(&format!("s{at}"), sink), state)))
        });
        named.flatten().collect()
    })
}

/// The states after a pass has claimed each due session.
fn claimed(
    states: &[(StateKey, SyncState)],
    sessions: &[StaleSession],
    now: i64,
) -> Vec<(StateKey, SyncState)> {
    let mut states: HashMap<StateKey, SyncState> = states.iter().cloned().collect();
    for session in sessions.iter().filter(|session| session.is_due()) {
        for need in &session.needs {
            let next = need.seen.request_again(&session.quiz_id, need.answered, now);
            states.insert(need.key.clone(), SyncState { revision: next.revision + 1, ..next });
        }
    }
    let mut states: Vec<_> = states.into_iter().collect();
    states.sort_by(|(a, _), (b, _)| a.cmp(b));
    states
}

/// The states after each session was synced at `now`.
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
    fn stale_sessions_are_ordered_unique_and_free(
        states in any_states(), answers in prop::collection::hash_map(0..3, ago(3 * HOUR), 0..3),
    ) {
        let answered: Vec<(String, i64)> = answers.iter().map(|(quiz, at)| (format!("q{quiz}"), *at)).collect();
        let answered: Vec<(&str, i64)> = answered.iter().map(|(quiz, at)| (&**quiz, *at)).collect();
        let sessions = stale_sessions(&states, &answered, NOW);
        prop_assert!(sessions.is_sorted_by_key(|session| (session.stale_since(), session.session_id.clone())));
        let mut ids: Vec<&String> = sessions.iter().map(|session| &session.session_id).collect();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), sessions.len());
        for need in sessions.iter().flat_map(|session| &session.needs) {
            let stored = states.iter().find(|(key, _)| *key == need.key).map(|(_, state)| state.clone());
            prop_assert_eq!(&need.seen, &stored.unwrap_or_default());
            prop_assert!(need.seen.held(NOW).is_none() && need.seen.awaited(NOW).is_none());
            prop_assert!(need.stale_since <= NOW && need.since <= NOW);
        }
    }

    #[test]
    fn claimed_sessions_wait_and_synced_sessions_leave(
        states in any_states(), quiz in 0..3, at in ago(3 * HOUR),
    ) {
        let quiz = format!("q{quiz}");
        let answered: &[(&str, i64)] = &[(&quiz, at)];
        let after = claimed(&states, &stale_sessions(&states, answered, NOW), NOW);
        let again = stale_sessions(&after, answered, NOW);
        prop_assert!(again.iter().all(|session| !session.is_due()), "{again:?}");
        let sinks_known = all_synced(&after, NOW + 2_000);
        let after_sync = stale_sessions(&sinks_known, &[], NOW + 2 * HOUR);
        prop_assert!(after_sync.is_empty(), "{after_sync:?}");
    }

    /// What `is_unfinished` says of all states is what a pass and `status` find at any later time.
    #[test]
    fn states_outside_the_index_need_nothing(states in any_states(), later in 0..40 * HOUR) {
        let now = NOW + later;
        let (unfinished, finished): (Vec<_>, Vec<_>) =
            states.iter().cloned().partition(|(_, state)| state.is_unfinished());
        prop_assert!(stale_sessions(&finished, &[], now).is_empty());
        for rules in [Rules::default(), Rules::embedded()] {
            for (_, state) in &finished {
                prop_assert_eq!(state.standing(now, &rules).0, Standing::Synced);
                prop_assert!(!state.is_to_rewrite(&rules));
            }
        }
        let mut worked_at = WorkedAt::default();
        note_work(&mut worked_at, &states);
        let outages = |states: &[(StateKey, SyncState)]| find_outages(states, &worked_at, now);
        prop_assert_eq!(outages(&unfinished), outages(&states));
        prop_assert_eq!(outages(&finished), Outages::default());
    }

    #[test]
    fn stale_session_is_due_within_26_hours(states in any_states()) {
        let rules = Rules::default();
        let is_stale = |state: &SyncState| !state.has_synced(state.requested_through, &rules) || state.progress.is_some();
        let later = stale_sessions(&states, &[], NOW + 26 * HOUR);
        for (key, _) in states.iter().filter(|(_, state)| is_stale(state)) {
            let session = later.iter().find(|session| session.session_id == key.session_id).unwrap();
            let need = session.needs.iter().find(|need| need.key == *key).unwrap();
            prop_assert!(need.is_due, "{need:?}");
        }
    }
}
