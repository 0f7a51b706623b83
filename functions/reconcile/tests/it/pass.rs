//! A pass requests the stale test sessions and sends notices.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quiz_events::{NoticeKind, ParkCause, Sink, StaleReason, SyncsRequested};
use quiz_lambda::config::PassLimits;
use quiz_local::SqliteStore;
use quiz_pipeline::ports::CompletedQuiz;
use quiz_sync_state::{Failing, FollowUp, RequestedAgain, StateError, StateKey, SyncState, SyncStates};
use reconcile::Summary;
use tokio::time::Instant;

use crate::common::{Fixture, HOUR, MINUTE, NOW, key, parked, recovered, synced, time};

fn requested_notice(fixture: &Fixture) -> SyncsRequested {
    match &fixture.services.notices.lock().unwrap()[..] {
        [notice] => match &notice.kind {
            NoticeKind::SyncsRequested(requested) => requested.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn parked_and_stale_sessions_are_requested_once() {
    let fixture = Fixture::new(PassLimits::default());
    fixture.plant("A_q1", Sink::Reports, parked("q1", 40 * MINUTE)).await;
    fixture.plant("A_q1", Sink::Warehouse, parked("q1", 35 * MINUTE)).await;
    fixture.plant("B_q2", Sink::Reports, synced("q2", HOUR)).await;
    fixture.plant("B_q2", Sink::Warehouse, synced("q2", 10 * MINUTE)).await;
    fixture.plant("C_q3", Sink::Reports, synced("q3", HOUR)).await;
    fixture.plant("C_q3", Sink::Warehouse, synced("q3", HOUR)).await;
    fixture.answer("q2", 30 * MINUTE);
    fixture.answer("q3", 5 * MINUTE);
    let summary = fixture.pass().await.unwrap();
    assert_eq!(summary, Summary { behind: 3, requested: 2, left: 0, unknown: 0 });
    assert_eq!(fixture.services.sessions_published(), ["A_q1", "B_q2"], "q3 has not settled yet");
    let request = &fixture.services.published.lock().unwrap()[0].clone();
    assert_eq!(request.targets[0].quiz_id, "q1");
    assert_eq!(
        (request.reason.as_deref(), request.requested_by.as_deref()),
        (Some("reconcile"), Some("reconcile"))
    );
    assert!(!request.force);
    let requested = requested_notice(&fixture);
    assert_eq!((requested.count, requested.left, requested.tests.len()), (2, 0, 2));
    assert_eq!(requested.tests[0].test_name.as_deref(), Some("Physics mock"));
    let parked_sinks: Vec<_> =
        requested.tests[0].sinks.iter().map(|stale| (stale.sink, stale.because, stale.times)).collect();
    assert_eq!(
        parked_sinks,
        [(Sink::Reports, StaleReason::Parked, 1), (Sink::Warehouse, StaleReason::Parked, 1)]
    );
    assert_eq!(requested.tests[0].sinks[0].error.as_deref(), Some("could not write: no answer"));
    let answered_sinks = &requested.tests[1].sinks[..];
    assert_eq!(
        (answered_sinks.len(), answered_sinks[0].because, answered_sinks[0].since),
        (1, StaleReason::Answers, time(NOW - 30 * MINUTE))
    );
    assert_eq!(answered_sinks[0].synced_through, Some(time(NOW - HOUR)));
    let state = fixture.state("B_q2", Sink::Reports).await;
    assert_eq!(state.requested_again, Some(RequestedAgain { times: 1, at: NOW }));
    assert_eq!(state.requested_through, NOW - 30 * MINUTE, "answers count as requested");
    assert_eq!(fixture.state("B_q2", Sink::Warehouse).await.requested_again, None);
    let measured = fixture.services.measured.lock().unwrap().clone();
    assert_eq!((measured["TestsBehind"], measured["SyncsRequested"], measured["UnknownTests"]), (3, 2, 0));
    assert_eq!(measured["OldestBehind"], u64::try_from(40 * MINUTE + 1_000).unwrap());
}

#[tokio::test]
async fn wait_between_requests_doubles() {
    let fixture = Fixture::new(PassLimits::default());
    fixture.plant("A_q1", Sink::Reports, parked("q1", 40 * MINUTE)).await;
    fixture.plant("A_q1", Sink::Warehouse, synced("q1", MINUTE)).await;
    let mut requested_at = Vec::new();
    for quarter in 0..30 {
        if fixture.pass().await.unwrap().requested == 1 {
            requested_at.push(quarter * 15);
        }
        assert_eq!(fixture.services.measured.lock().unwrap()["TestsBehind"], 1);
        fixture.later(15 * MINUTE);
    }
    assert_eq!(requested_at, [0, 30, 90, 210]);
    assert_eq!(fixture.services.notices.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn concurrent_passes_request_each_session_once() {
    let fixture = Fixture::new(PassLimits::default());
    for number in 0..20 {
        let session = format!("S{number}_q");
        fixture.plant(&session, Sink::Reports, parked("q", 40 * MINUTE)).await;
        fixture.plant(&session, Sink::Warehouse, parked("q", 40 * MINUTE)).await;
    }
    let (one, other) = tokio::join!(fixture.pass(), fixture.pass());
    assert_eq!(one.unwrap().requested + other.unwrap().requested, 20);
    let mut published = fixture.services.sessions_published();
    published.sort();
    published.dedup();
    assert_eq!((published.len(), fixture.services.published.lock().unwrap().len()), (20, 20));
}

#[tokio::test]
async fn full_pass_leaves_newest_sessions_to_the_next() {
    let fixture = Fixture::new(PassLimits { sessions: 2, ..PassLimits::default() });
    for (session, ago) in [("A_q", 40), ("B_q", 60), ("C_q", 50)] {
        fixture.plant(session, Sink::Reports, parked("q", ago * MINUTE)).await;
        fixture.plant(session, Sink::Warehouse, synced("q", MINUTE)).await;
    }
    assert_eq!(fixture.pass().await.unwrap(), Summary { behind: 3, requested: 2, left: 1, unknown: 0 });
    assert_eq!(requested_notice(&fixture).left, 1);
    fixture.later(15 * MINUTE);
    fixture.pass().await.unwrap();
    assert_eq!(fixture.services.sessions_published(), ["B_q", "C_q", "A_q"]);
}

#[tokio::test]
async fn next_pass_requests_a_refused_event() {
    let fixture = Fixture::new(PassLimits::default());
    for session in ["A_q", "B_q"] {
        fixture.plant(session, Sink::Reports, parked("q", 40 * MINUTE)).await;
        fixture.plant(session, Sink::Warehouse, synced("q", MINUTE)).await;
    }
    fixture.services.refused.lock().unwrap().insert("A_q".into());
    let error = fixture.pass().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the pass is not complete: cannot request A_q: topic quiz-events did not accept the message: throttled"
    );
    assert_eq!(requested_notice(&fixture).count, 1);
    assert_eq!(fixture.state("A_q", Sink::Reports).await.requested_again, None, "the claim is undone");
    fixture.services.refused.lock().unwrap().clear();
    fixture.later(15 * MINUTE);
    assert_eq!(fixture.pass().await.unwrap().requested, 1);
    assert_eq!(fixture.services.sessions_published(), ["B_q", "A_q"]);
}

#[tokio::test]
async fn pass_without_mongodb_works_on_states_and_fails() {
    let fixture = Fixture::new(PassLimits::default());
    fixture.plant("A_q", Sink::Reports, parked("q", 40 * MINUTE)).await;
    *fixture.services.is_down.lock().unwrap() = true;
    let error = fixture.pass().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the pass is not complete: the newest answers were not read: could not read answers: no route"
    );
    assert_eq!(fixture.services.sessions_published(), ["A_q"]);
    let measured = fixture.services.measured.lock().unwrap().clone();
    assert_eq!((measured["TestsBehind"], measured.contains_key("UnknownTests")), (1, false));
}

#[tokio::test]
async fn session_without_quiz_is_skipped() {
    let fixture = Fixture::new(PassLimits::default());
    fixture.plant("Mistyped_q", Sink::Reports, parked("q", 40 * MINUTE)).await;
    fixture.services.titles.lock().unwrap().clear();
    assert_eq!(fixture.pass().await.unwrap(), Summary::default());
    assert!(fixture.services.notices.lock().unwrap().is_empty());
}

#[tokio::test]
async fn refused_session_id_is_never_requested() {
    let fixture = Fixture::new(PassLimits::default());
    let failing = Some(Failing { since: NOW - HOUR, code: ParkCause::SESSION_ID_OF_ATTEMPT.into() });
    let refused = SyncState { failing, ..parked("q1", HOUR) };
    fixture.plant("650000000000000000000a01", Sink::Reports, refused).await;
    // an earlier release synced it
    fixture.plant("650000000000000000000a01", Sink::Warehouse, synced("q1", HOUR)).await;
    fixture.answer("q1", 30 * MINUTE);
    *fixture.services.completed.lock().unwrap() =
        vec![CompletedQuiz { quiz_id: "q1".into(), students: 2, newest: time(NOW - 30 * MINUTE) }];
    let expected = Summary { unknown: 1, ..Summary::default() };
    assert_eq!(fixture.pass().await.unwrap(), expected, "no event has named its test session");
    fixture.later(48 * HOUR);
    assert_eq!(fixture.pass().await.unwrap(), Summary::default());
    assert!(fixture.services.published.lock().unwrap().is_empty());
}

#[tokio::test]
async fn unknown_quiz_keeps_its_notice_id_all_day() {
    let fixture = Fixture::new(PassLimits::default());
    fixture.plant("A_q1", Sink::Reports, synced("q1", MINUTE)).await;
    fixture.plant("A_q1", Sink::Warehouse, synced("q1", MINUTE)).await;
    for (quiz_id, ago) in [("q1", HOUR), ("lost", HOUR), ("under way", HOUR), ("lost yesterday", 23 * HOUR)] {
        fixture.answer(quiz_id, ago);
    }
    let completed =
        |quiz_id: &str, ago| CompletedQuiz { quiz_id: quiz_id.into(), students: 31, newest: time(NOW - ago) };
    *fixture.services.completed.lock().unwrap() =
        vec![completed("lost yesterday", 23 * HOUR), completed("lost", HOUR), completed("q1", HOUR)];
    fixture.services.titles.lock().unwrap().insert("lost".into(), Some("Lost mock".into()));
    assert_eq!(fixture.pass().await.unwrap(), Summary { unknown: 2, ..Summary::default() });
    assert!(fixture.services.published.lock().unwrap().is_empty(), "its session id is unknown");
    assert_eq!(fixture.services.measured.lock().unwrap()["UnknownTests"], 2);
    fixture.later(15 * MINUTE);
    fixture.pass().await.unwrap();
    let notices = std::mem::take(&mut *fixture.services.notices.lock().unwrap());
    let ids: Vec<&str> = notices.iter().map(|notice| notice.id.as_str()).collect();
    let (lost, yesterday) = ("tests.unknown:lost:2026-11-21", "tests.unknown:lost yesterday:2026-11-21");
    assert_eq!(ids, [lost, yesterday, lost, yesterday]);
    let NoticeKind::QuizUnknown(unknown) = &notices[0].kind else { panic!("{:?}", notices[0]) };
    assert_eq!(
        (unknown.title.as_deref(), unknown.students, unknown.newest_answer),
        (Some("Lost mock"), 31, time(NOW - HOUR))
    );
}

#[tokio::test]
async fn pass_without_time_requests_nothing_and_fails() {
    let fixture = Fixture::new(PassLimits::default());
    fixture.plant("A_q", Sink::Reports, parked("q", 40 * MINUTE)).await;
    let lookback = Duration::from_hours(24);
    let error = fixture.reconciler.pass(lookback, Instant::now()).await.unwrap_err();
    // the states may or may not have been read before the deadline
    assert!(error.to_string().contains("time"), "{error}");
    assert!(fixture.services.published.lock().unwrap().is_empty());
}

#[tokio::test]
async fn session_claimed_during_the_pass_is_skipped() {
    let fixture = Fixture::new(PassLimits::default());
    fixture.plant("A_q", Sink::Reports, parked("q", 40 * MINUTE)).await;
    fixture.plant("A_q", Sink::Warehouse, parked("q", 40 * MINUTE)).await;
    *fixture.services.changed_during_pass.lock().unwrap() =
        Some((fixture.store.clone(), key("A_q", Sink::Reports)));
    assert_eq!(fixture.pass().await.unwrap(), Summary { behind: 2, ..Summary::default() });
    assert!(fixture.services.published.lock().unwrap().is_empty());
    assert!(fixture.services.notices.lock().unwrap().is_empty());
    assert_eq!(fixture.state("A_q", Sink::Warehouse).await.requested_again, None);
}

#[tokio::test]
async fn lost_state_of_one_sink_is_requested() {
    let fixture = Fixture::new(PassLimits::default());
    fixture.plant("A_q1", Sink::Reports, synced("q1", MINUTE)).await;
    fixture.answer("q1", HOUR);
    assert_eq!(fixture.pass().await.unwrap().requested, 1);
    assert_eq!(fixture.services.sessions_published(), ["A_q1"]);
    let lost = fixture.state("A_q1", Sink::Warehouse).await;
    assert_eq!((&*lost.quiz_id, lost.requested_through), ("q1", NOW - HOUR));
}

#[tokio::test]
async fn other_sink_of_an_unfinished_session_is_not_new() {
    let fixture = Fixture::new(PassLimits::default());
    fixture.plant("A_q1", Sink::Reports, parked("q1", 40 * MINUTE)).await;
    // finished for another quiz, so neither the index nor the answered quiz finds it
    let other = SyncState { requested_through: 1, ..synced("q0", MINUTE) };
    fixture.plant("A_q1", Sink::Warehouse, other.clone()).await;
    fixture.answer("q1", HOUR);
    assert_eq!(fixture.pass().await.unwrap(), Summary { behind: 1, requested: 1, ..Summary::default() });
    assert_eq!(fixture.state("A_q1", Sink::Warehouse).await, SyncState { revision: 1, ..other });
}

#[tokio::test]
async fn old_recovery_leaves_the_index() {
    let fixture = Fixture::new(PassLimits::default());
    fixture.plant("A_q", Sink::Reports, recovered("source_unavailable", 3 * HOUR, HOUR)).await;
    fixture.pass().await.unwrap();
    assert!(fixture.state("A_q", Sink::Reports).await.recovered.is_some(), "passes still report it");
    fixture.later(HOUR);
    fixture.pass().await.unwrap();
    let state = fixture.state("A_q", Sink::Reports).await;
    assert_eq!((state.recovered.as_ref(), state.is_unfinished(), state.revision), (None, false, 2));
    fixture.pass().await.unwrap();
    assert_eq!(fixture.state("A_q", Sink::Reports).await.revision, 2);
}

#[tokio::test]
async fn covered_follow_up_leaves_the_index() {
    let fixture = Fixture::new(PassLimits::default());
    let follow_up = Some(FollowUp { message_id: "m".into(), due: NOW - MINUTE });
    fixture.plant("A_q", Sink::Reports, SyncState { follow_up, ..synced("q", 2 * MINUTE) }).await;
    fixture.pass().await.unwrap();
    assert!(fixture.state("A_q", Sink::Reports).await.follow_up.is_some(), "its message may still come");
    fixture.later(HOUR);
    fixture.pass().await.unwrap();
    let state = fixture.state("A_q", Sink::Reports).await;
    assert_eq!((state.follow_up.as_ref(), state.is_unfinished()), (None, false));
}

/// Sync states with a fault in one of the indexes.
struct FaultyIndex {
    store: Arc<SqliteStore>,
    fault: IndexFault,
}

#[derive(PartialEq, Eq)]
enum IndexFault {
    /// The index lacks an unfinished state, as after a rollback to a version without the index.
    UnfinishedIsEmpty,
    ByQuizIsThrottled,
}

#[async_trait]
impl SyncStates for FaultyIndex {
    async fn get(&self, key: &StateKey) -> Result<SyncState, StateError> {
        self.store.get(key).await
    }

    async fn swap(&self, key: &StateKey, seen: &SyncState, next: &SyncState) -> Result<bool, StateError> {
        self.store.swap(key, seen, next).await
    }

    async fn get_unfinished(&self) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        match self.fault {
            IndexFault::UnfinishedIsEmpty => Ok(Vec::new()),
            IndexFault::ByQuizIsThrottled => self.store.get_unfinished().await,
        }
    }

    async fn get_by_quiz(&self, quiz_ids: &[String]) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        if self.fault == IndexFault::ByQuizIsThrottled && !quiz_ids.is_empty() {
            let (action, session_id) = ("read", "(all)".to_owned());
            return Err(StateError::Unavailable { action, session_id, cause: "throttled".into() });
        }
        self.store.get_by_quiz(quiz_ids).await
    }
}

#[tokio::test]
async fn state_missing_in_the_index_is_stored_again() {
    let mut fixture = Fixture::new(PassLimits::default());
    let fault = IndexFault::UnfinishedIsEmpty;
    fixture.reconciler.states = Arc::new(FaultyIndex { store: fixture.store.clone(), fault });
    // too young to be requested
    fixture.plant("A_q", Sink::Reports, parked("q", 5 * MINUTE)).await;
    fixture.plant("A_q", Sink::Warehouse, synced("q", MINUTE)).await;
    fixture.answer("q", HOUR);
    assert_eq!(fixture.pass().await.unwrap(), Summary::default());
    let revisions =
        [Sink::Reports, Sink::Warehouse].map(async |sink| fixture.state("A_q", sink).await.revision);
    assert_eq!(futures::future::join_all(revisions).await, [2, 1]);
}

#[tokio::test]
async fn throttled_index_by_quiz_delays_no_parked_session() {
    let mut fixture = Fixture::new(PassLimits::default());
    let fault = IndexFault::ByQuizIsThrottled;
    fixture.reconciler.states = Arc::new(FaultyIndex { store: fixture.store.clone(), fault });
    fixture.plant("A_q1", Sink::Reports, parked("q1", 40 * MINUTE)).await;
    fixture.answer("q2", HOUR);
    let problems = fixture.pass().await.unwrap_err().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("states of the answered quizzes were not read"), "{problems:?}");
    assert_eq!(fixture.services.sessions_published(), ["A_q1"]);
    let notices = fixture.services.notices.lock().unwrap().clone();
    let is_unknown = notices.iter().any(|notice| matches!(notice.kind, NoticeKind::QuizUnknown(_)));
    assert!(!is_unknown, "the pass does not know which quizzes have a state: {notices:?}");
}
