//! What a pass does.

use std::time::Duration;

use quiz_events::{NoticeKind, Sink, StaleReason, SyncsRequested};
use quiz_lambda::config::PassLimits;
use quiz_pipeline::ports::CompletedQuiz;
use quiz_sync_state::RequestedAgain;
use reconcile::Summary;
use tokio::time::Instant;

use crate::common::{HOUR, MINUTE, NOW, Place, key, parked, synced, time};

fn asked_for(place: &Place) -> SyncsRequested {
    match &place.world.notices.lock().unwrap()[..] {
        [notice] => match &notice.kind {
            NoticeKind::SyncsRequested(requested) => requested.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_parked_test_and_one_with_newer_answers_are_asked_for_once_each_and_told() {
    let place = Place::new(PassLimits::default());
    place.plant("A_q1", Sink::Reports, parked("q1", 40 * MINUTE)).await;
    place.plant("A_q1", Sink::Warehouse, parked("q1", 35 * MINUTE)).await;
    place.plant("B_q2", Sink::Reports, synced("q2", HOUR)).await;
    place.plant("B_q2", Sink::Warehouse, synced("q2", 10 * MINUTE)).await;
    place.plant("C_q3", Sink::Reports, synced("q3", HOUR)).await;
    place.plant("C_q3", Sink::Warehouse, synced("q3", HOUR)).await;
    place.answer("q2", 30 * MINUTE);
    place.answer("q3", 5 * MINUTE);
    let summary = place.pass().await.unwrap();
    assert_eq!(summary, Summary { behind: 3, requested: 2, left: 0, unknown: 0 });
    assert_eq!(place.world.sessions_published(), ["A_q1", "B_q2"], "q3 has not settled yet");
    let request = &place.world.published.lock().unwrap()[0].clone();
    assert_eq!(request.targets[0].quiz_id, "q1");
    assert_eq!(
        (request.reason.as_deref(), request.requested_by.as_deref()),
        (Some("reconcile"), Some("reconcile"))
    );
    assert!(!request.force);
    let told = asked_for(&place);
    assert_eq!((told.count, told.left, told.tests.len()), (2, 0, 2));
    assert_eq!(told.tests[0].test_name.as_deref(), Some("Physics mock"));
    let of_a: Vec<_> = told.tests[0].sinks.iter().map(|it| (it.sink, it.because, it.times)).collect();
    assert_eq!(of_a, [(Sink::Reports, StaleReason::Parked, 1), (Sink::Warehouse, StaleReason::Parked, 1)]);
    assert_eq!(told.tests[0].sinks[0].error.as_deref(), Some("could not write: no answer"));
    let of_b = &told.tests[1].sinks[..];
    assert_eq!(
        (of_b.len(), of_b[0].because, of_b[0].since),
        (1, StaleReason::Answers, time(NOW - 30 * MINUTE))
    );
    assert_eq!(of_b[0].synced_through, Some(time(NOW - HOUR)));
    let state = place.state("B_q2", Sink::Reports).await;
    assert_eq!(state.requested_again, Some(RequestedAgain { times: 1, at: NOW }));
    assert_eq!(state.requested_through, NOW - 30 * MINUTE, "answers count as asked for");
    assert_eq!(place.state("B_q2", Sink::Warehouse).await.requested_again, None);
    let measured = place.world.measured.lock().unwrap().clone();
    assert_eq!((measured["TestsBehind"], measured["SyncsRequested"], measured["UnknownTests"]), (3, 2, 0));
    assert_eq!(measured["OldestBehind"], u64::try_from(40 * MINUTE + 1_000).unwrap());
}

#[tokio::test]
async fn a_test_waits_longer_each_time_and_nothing_is_told_meanwhile() {
    let place = Place::new(PassLimits::default());
    place.plant("A_q1", Sink::Reports, parked("q1", 40 * MINUTE)).await;
    place.plant("A_q1", Sink::Warehouse, synced("q1", MINUTE)).await;
    let mut asked_at = Vec::new();
    for quarter in 0..30 {
        if place.pass().await.unwrap().requested == 1 {
            asked_at.push(quarter * 15);
        }
        assert_eq!(place.world.measured.lock().unwrap()["TestsBehind"], 1);
        place.later(15 * MINUTE);
    }
    assert_eq!(asked_at, [0, 30, 90, 210]);
    assert_eq!(place.world.notices.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn of_two_passes_at_once_one_asks() {
    let place = Place::new(PassLimits::default());
    for test in 0..20 {
        let session = format!("S{test}_q");
        place.plant(&session, Sink::Reports, parked("q", 40 * MINUTE)).await;
        place.plant(&session, Sink::Warehouse, parked("q", 40 * MINUTE)).await;
    }
    let (one, other) = tokio::join!(place.pass(), place.pass());
    assert_eq!(one.unwrap().requested + other.unwrap().requested, 20);
    let mut published = place.world.sessions_published();
    published.sort();
    published.dedup();
    assert_eq!((published.len(), place.world.published.lock().unwrap().len()), (20, 20));
}

#[tokio::test]
async fn what_is_too_much_for_one_pass_is_left_to_the_next_the_oldest_first() {
    let place = Place::new(PassLimits { tests: 2, ..PassLimits::default() });
    for (session, ago) in [("A_q", 40), ("B_q", 60), ("C_q", 50)] {
        place.plant(session, Sink::Reports, parked("q", ago * MINUTE)).await;
        place.plant(session, Sink::Warehouse, synced("q", MINUTE)).await;
    }
    assert_eq!(place.pass().await.unwrap(), Summary { behind: 3, requested: 2, left: 1, unknown: 0 });
    assert_eq!(asked_for(&place).left, 1);
    place.later(15 * MINUTE);
    place.pass().await.unwrap();
    assert_eq!(place.world.sessions_published(), ["B_q", "C_q", "A_q"]);
}

#[tokio::test]
async fn an_event_that_is_not_taken_is_asked_for_by_the_next_pass() {
    let place = Place::new(PassLimits::default());
    for session in ["A_q", "B_q"] {
        place.plant(session, Sink::Reports, parked("q", 40 * MINUTE)).await;
        place.plant(session, Sink::Warehouse, synced("q", MINUTE)).await;
    }
    place.world.refused.lock().unwrap().insert("A_q".into());
    let error = place.pass().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the pass is not complete: A_q was not asked for: topic quiz-events did not take the event: throttled"
    );
    assert_eq!(asked_for(&place).count, 1);
    assert_eq!(place.state("A_q", Sink::Reports).await.requested_again, None, "it need not wait");
    place.world.refused.lock().unwrap().clear();
    place.later(15 * MINUTE);
    assert_eq!(place.pass().await.unwrap().requested, 1);
    assert_eq!(place.world.sessions_published(), ["B_q", "A_q"]);
}

#[tokio::test]
async fn without_mongodb_the_states_are_looked_after_and_the_pass_fails() {
    let place = Place::new(PassLimits::default());
    place.plant("A_q", Sink::Reports, parked("q", 40 * MINUTE)).await;
    *place.world.is_down.lock().unwrap() = true;
    let error = place.pass().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the pass is not complete: the newest answers were not read: could not read answers: no route"
    );
    assert_eq!(place.world.sessions_published(), ["A_q"]);
    let measured = place.world.measured.lock().unwrap().clone();
    assert_eq!((measured["TestsBehind"], measured.contains_key("UnknownTests")), (1, false));
}

#[tokio::test]
async fn a_session_without_a_quiz_is_left_alone() {
    let place = Place::new(PassLimits::default());
    place.plant("Mistyped_q", Sink::Reports, parked("q", 40 * MINUTE)).await;
    place.world.titles.lock().unwrap().clear();
    assert_eq!(place.pass().await.unwrap(), Summary::default());
    assert!(place.world.notices.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_quiz_that_no_sync_has_named_is_told_with_the_same_name_all_day() {
    let place = Place::new(PassLimits::default());
    place.plant("A_q1", Sink::Reports, synced("q1", MINUTE)).await;
    place.plant("A_q1", Sink::Warehouse, synced("q1", MINUTE)).await;
    for (quiz_id, ago) in [("q1", HOUR), ("lost", HOUR), ("under way", HOUR), ("lost yesterday", 23 * HOUR)] {
        place.answer(quiz_id, ago);
    }
    let completed =
        |quiz_id: &str, ago| CompletedQuiz { quiz_id: quiz_id.into(), students: 31, newest: time(NOW - ago) };
    *place.world.completed.lock().unwrap() =
        vec![completed("lost yesterday", 23 * HOUR), completed("lost", HOUR), completed("q1", HOUR)];
    place.world.titles.lock().unwrap().insert("lost".into(), Some("Lost mock".into()));
    assert_eq!(place.pass().await.unwrap(), Summary { unknown: 2, ..Summary::default() });
    assert!(place.world.published.lock().unwrap().is_empty(), "its session cannot be told");
    assert_eq!(place.world.measured.lock().unwrap()["UnknownTests"], 2);
    place.later(15 * MINUTE);
    place.pass().await.unwrap();
    let notices = std::mem::take(&mut *place.world.notices.lock().unwrap());
    let ids: Vec<&str> = notices.iter().map(|notice| notice.id.as_str()).collect();
    let (lost, yesterday) = ("tests.unknown:lost:2026-11-21", "tests.unknown:lost yesterday:2026-11-21");
    assert_eq!(ids, [lost, yesterday, lost, yesterday]);
    let NoticeKind::QuizUnknown(told) = &notices[0].kind else { panic!("{:?}", notices[0]) };
    assert_eq!(
        (told.title.as_deref(), told.students, told.newest_answer),
        (Some("Lost mock"), 31, time(NOW - HOUR))
    );
}

#[tokio::test]
async fn without_time_nothing_is_begun_and_the_pass_says_so() {
    let place = Place::new(PassLimits::default());
    place.plant("A_q", Sink::Reports, parked("q", 40 * MINUTE)).await;
    let lookback = Duration::from_hours(24);
    let error = place.reconciler.pass(lookback, Instant::now()).await.unwrap_err();
    // whether its states were read by then is the machine's affair
    assert!(error.to_string().contains("time"), "{error}");
    assert!(place.world.published.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_test_that_is_taken_up_meanwhile_is_left_to_who_does_it() {
    let place = Place::new(PassLimits::default());
    place.plant("A_q", Sink::Reports, parked("q", 40 * MINUTE)).await;
    place.plant("A_q", Sink::Warehouse, parked("q", 40 * MINUTE)).await;
    *place.world.meanwhile.lock().unwrap() = Some((place.store.clone(), key("A_q", Sink::Reports)));
    assert_eq!(place.pass().await.unwrap(), Summary { behind: 2, ..Summary::default() });
    assert!(place.world.published.lock().unwrap().is_empty());
    assert!(place.world.notices.lock().unwrap().is_empty());
    assert_eq!(place.state("A_q", Sink::Warehouse).await.requested_again, None);
}
