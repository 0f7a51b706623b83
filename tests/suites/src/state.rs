//! The suite of [`SyncStates`].

use std::collections::HashSet;

use futures::future::join_all;
use jiff::civil::date;
use quiz_events::{SessionDescription, Sink};
use quiz_sync_state::{
    Failing, FollowUp, LastRun, Lease, Recovered, RequestedAgain, RunResult, StateKey, SyncState, SyncStates,
};

/// Asserts the promises of the port. The suite owns the test sessions whose ids begin with `session`.
pub async fn sync_states(states: &dyn SyncStates, session: &str) {
    read_state_equals_stored_state(states, session).await;
    states_differ_by_session_and_sink(states, session).await;
    swap_after_another_swap_is_refused(states, session).await;
    one_of_many_concurrent_swaps_wins(states, session).await;
    many_states_are_read_together(states, session).await;
    unfinished_states_are_found_until_they_finish(states, session).await;
    states_are_found_by_quiz(states, session).await;
    state_without_quiz_is_stored(states, session).await;
}

async fn many_states_are_read_together(states: &dyn SyncStates, session: &str) {
    let keys: Vec<StateKey> =
        (0..130).map(|at| key(&format!("{session} many {at:03}"), Sink::Reports)).collect();
    for (at, key) in keys.iter().enumerate().filter(|(at, _)| at % 2 == 0) {
        let state = SyncState { generation: i64::try_from(at).unwrap(), ..full_without_progress() };
        assert!(states.swap(key, &SyncState::default(), &state).await.unwrap());
    }
    let found = states.get_many(&keys).await.unwrap();
    for (at, state) in found.iter().enumerate() {
        let expected = SyncState { generation: i64::try_from(at).unwrap(), ..full_without_progress() };
        assert_eq!(*state, if at % 2 == 0 { expected } else { SyncState::default() });
    }
    assert!(states.get_many(&[]).await.unwrap().is_empty());
}

async fn unfinished_states_are_found_until_they_finish(states: &dyn SyncStates, session: &str) {
    let keys = [Sink::Reports, Sink::Warehouse].map(|sink| key(&format!("{session} unfinished"), sink));
    let found = async || -> Vec<(StateKey, SyncState)> {
        let all = states.get_unfinished().await.unwrap();
        assert!(all.is_sorted_by_key(|(key, _)| key.clone()));
        assert!(all.iter().all(|(_, state)| state.is_unfinished()));
        all.into_iter().filter(|(key, _)| keys.contains(key)).collect()
    };
    for key in &keys {
        assert!(states.swap(key, &SyncState::default(), &full()).await.unwrap());
    }
    assert_eq!(found().await, keys.clone().map(|key| (key, full())));
    assert!(states.swap(&keys[0], &full(), &finished("q")).await.unwrap());
    assert_eq!(found().await, [(keys[1].clone(), full())]);
    assert!(states.swap(&keys[0], &SyncState { revision: 2, ..full() }, &full()).await.unwrap());
    assert_eq!(found().await.len(), 2, "it is unfinished again");
}

async fn states_are_found_by_quiz(states: &dyn SyncStates, session: &str) {
    let quiz = |at: usize| format!("{session} quiz {at}");
    let of = |at: usize, sink| key(&format!("{session} of quiz {at}"), sink);
    for at in 0..40 {
        for sink in Sink::ALL {
            let next =
                if at % 2 == 0 { finished(&quiz(at)) } else { SyncState { quiz_id: quiz(at), ..full() } };
            assert!(states.swap(&of(at, sink), &SyncState::default(), &next).await.unwrap());
        }
    }
    let wanted: Vec<String> = (0..60).step_by(3).map(quiz).chain([quiz(3), String::new()]).collect();
    let found = states.get_by_quiz(&wanted).await.unwrap();
    assert!(found.is_sorted_by_key(|(key, _)| key.clone()));
    let expected: HashSet<StateKey> =
        (0..40).step_by(3).flat_map(|at| Sink::ALL.map(|sink| of(at, sink))).collect();
    assert_eq!((found.len(), found.iter().map(|(key, _)| key.clone()).collect()), (expected.len(), expected));
    assert!(found.iter().all(|(_, state)| wanted.contains(&state.quiz_id) && state.revision == 1));
    // a test session that gets another quiz leaves the first
    let moved = SyncState { quiz_id: quiz(99), ..full() };
    assert!(states.swap(&of(0, Sink::Reports), &SyncState { revision: 1, ..full() }, &moved).await.unwrap());
    assert_eq!(states.get_by_quiz(&[quiz(99)]).await.unwrap().len(), 1);
    assert_eq!(states.get_by_quiz(&[quiz(0)]).await.unwrap().len(), 1);
    assert!(states.get_by_quiz(&[]).await.unwrap().is_empty());
}

async fn state_without_quiz_is_stored(states: &dyn SyncStates, session: &str) {
    let key = key(&format!("{session} without quiz"), Sink::Reports);
    let next = SyncState { quiz_id: String::new(), ..full() };
    assert!(states.swap(&key, &SyncState::default(), &next).await.unwrap());
    assert_eq!(states.get(&key).await.unwrap(), next);
}

/// Synced, with no newer request.
fn finished(quiz_id: &str) -> SyncState {
    let last = LastRun { result: Some(RunResult::Finished), ..LastRun::default() };
    SyncState {
        quiz_id: quiz_id.into(),
        requested_through: 1_714_500_000_123,
        synced_through: 1_714_500_010_000,
        last,
        ..SyncState::default()
    }
}

fn full_without_progress() -> SyncState {
    SyncState { progress: None, ..full() }
}

fn key(session_id: &str, sink: Sink) -> StateKey {
    StateKey { session_id: session_id.to_owned(), sink }
}

fn full() -> SyncState {
    SyncState {
        key_digest: Some("1-1761cd58e3669eec52409e224c335da9".into()),
        key_requested: Some("1-99d4d0e2b1a04c9f2a6f7e4d5c3b2a10".into()),
        start_dates: date(2024, 4, 30).into(),
        revision: 1,
        quiz_id: "6715f621e1eb083bfa9b56cc".into(),
        requested_through: 1_714_500_000_123,
        rewrite_through: 1_714_400_000_001,
        synced_through: 1_714_499_999_999,
        generation: 1_714_500_000_001,
        lease: Some(Lease { owner: "a".into(), message_id: "m-1".into(), until: 1_714_500_060_000 }),
        follow_up: Some(FollowUp { message_id: "m-2".into(), due: 1_714_500_090_000 }),
        follow_up_depth: 41,
        crashed_runs: 2,
        session: Some(SessionDescription {
            test_name: Some("परीक्षा \u{1f642}".into()),
            start_time: "2024-04-30T18:15:00Z".parse().ok(),
            ..SessionDescription::default()
        }),
        described_at: 7,
        joined: 12,
        newest_completion: Some(1_714_499_999_000),
        last: LastRun {
            result: Some(RunResult::Failed),
            error: Some("could not read quiz q: no route".into()),
            joined: 3,
            participants: 1_525,
            rows_written: u64::from(u32::MAX) + 1,
            read_started_at: 5,
            read_described_at: 4,
            finished_at: 6,
            duration_ms: 8,
        },
        failing: Some(Failing { since: 1_714_490_000_000, code: "source_unavailable".into() }),
        recovered: Some(Recovered {
            since: 1_714_480_000_000,
            at: 1_714_480_600_000,
            code: "sink_failed".into(),
        }),
        progress: Some("{\"parts\": []}".repeat(10_000)),
        requested_again: Some(RequestedAgain { times: 3, at: 1_714_500_030_000 }),
    }
}

async fn read_state_equals_stored_state(states: &dyn SyncStates, session: &str) {
    let key = key(&format!("{session} whole"), Sink::Reports);
    assert_eq!(states.get(&key).await.unwrap(), SyncState::default(), "no request yet");
    assert!(states.swap(&key, &SyncState::default(), &full()).await.unwrap());
    assert_eq!(states.get(&key).await.unwrap(), full());
    let emptied = SyncState {
        lease: None,
        follow_up: None,
        session: None,
        failing: None,
        recovered: None,
        progress: None,
        requested_again: None,
        ..full()
    };
    assert!(states.swap(&key, &full(), &emptied).await.unwrap());
    assert_eq!(states.get(&key).await.unwrap(), SyncState { revision: 2, ..emptied });
}

async fn states_differ_by_session_and_sink(states: &dyn SyncStates, session: &str) {
    let (one, other) = (format!("{session} one"), format!("{session} other"));
    assert!(states.swap(&key(&one, Sink::Reports), &SyncState::default(), &full()).await.unwrap());
    for key in [key(&one, Sink::Warehouse), key(&other, Sink::Reports)] {
        assert_eq!(states.get(&key).await.unwrap(), SyncState::default());
    }
}

async fn swap_after_another_swap_is_refused(states: &dyn SyncStates, session: &str) {
    let key = key(&format!("{session} raced"), Sink::Reports);
    let absent = SyncState::default();
    let none = SyncState { revision: 3, ..full() };
    assert!(!states.swap(&key, &none, &full()).await.unwrap(), "no state was stored");
    assert!(states.swap(&key, &absent, &full()).await.unwrap());
    assert!(!states.swap(&key, &absent, &full()).await.unwrap(), "a state is stored");
    let mine = SyncState { requested_through: 1, ..full() };
    assert!(states.swap(&key, &full(), &mine).await.unwrap());
    let theirs = SyncState { requested_through: 2, ..full() };
    assert!(!states.swap(&key, &full(), &theirs).await.unwrap());
    assert_eq!(states.get(&key).await.unwrap().requested_through, 1);
}

async fn one_of_many_concurrent_swaps_wins(states: &dyn SyncStates, session: &str) {
    let key = &key(&format!("{session} crowd"), Sink::Reports);
    for _ in 0..5 {
        let seen = &states.get(key).await.unwrap();
        let swaps = join_all((0..10).map(async |at| {
            let next = SyncState { requested_through: at, ..full() };
            states.swap(key, seen, &next).await.unwrap().then_some(at)
        }));
        let won: Vec<i64> = swaps.await.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(states.get(key).await.unwrap().requested_through, won[0]);
    }
}
