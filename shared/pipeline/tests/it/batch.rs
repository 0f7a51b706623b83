//! What becomes of each message of a batch, whatever its neighbours do.

use std::sync::atomic::Ordering;

use quiz_events::QueueMessage;
use quiz_pipeline::batch::BatchReport;
use tokio::time::Instant;

use crate::common::{Notes, handle, message, of};

#[tokio::test(start_paused = true)]
async fn a_bad_message_is_parked_alone_with_its_cause_and_is_not_retried() {
    let queue = Notes::default();
    let messages =
        [of("1", "A"), message("2", "{oops"), of("3", "A"), of("4", "refused"), message("5", "{}")];
    let (report, sync) = handle(&messages, &queue, 900).await;
    assert_eq!(report, BatchReport { parked: 3, synced: 1, ..BatchReport::default() });
    assert_eq!(*sync.synced.lock().unwrap(), ["A"]);
    let parked = queue.parked.lock().unwrap();
    assert_eq!(parked["2"].code, "not_an_event");
    assert_eq!(
        (&*parked["4"].code, &*parked["4"].error),
        ("rows_refused", "the warehouse refuses rows of session refused: row 3, field rank: no number")
    );
    assert_eq!(parked["5"].error, "neither `session_id` nor `session_ids` is given");
    assert!(queue.delayed.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_test_that_fails_or_panics_or_hangs_fails_its_own_messages_only() {
    let queue = Notes::default();
    let messages = [of("1", "bad"), of("2", "panics"), of("3", "hangs"), of("4", "good"), of("5", "bad")];
    let (mut report, sync) = handle(&messages, &queue, 900).await;
    report.failed.sort();
    assert_eq!(
        report,
        BatchReport {
            failed: ["1", "2", "3", "5"].map(str::to_owned).into(),
            synced: 1,
            ..BatchReport::default()
        }
    );
    assert_eq!(*sync.synced.lock().unwrap(), ["good"]);
    let delays = queue.delayed.lock().unwrap();
    assert!(delays.len() == 4 && delays.values().all(|it| (30..=60).contains(&it.as_secs())), "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn near_the_deadline_nothing_begins_and_what_runs_is_stopped_in_time() {
    let queue = Notes::default();
    let messages: Vec<_> =
        (0..4).map(|at| of(&at.to_string(), &format!("hangs{at}"))).chain([of("late", "late")]).collect();
    let began = Instant::now();
    let (report, sync) = handle(&messages, &queue, 60).await;
    assert_eq!(began.elapsed().as_secs(), 54, "told to stop with 8 s left, and cut off 2 s later");
    assert_eq!((report.failed.len(), report.synced), (5, 0));
    assert!(sync.synced.lock().unwrap().is_empty(), "the late test was not begun");
    let (report, _) = handle(&[of("1", "good")], &queue, 10).await;
    assert_eq!(report.failed, ["1"], "10 s are too few to begin, and no invocation has more");
}

#[tokio::test(start_paused = true)]
async fn tests_run_beside_each_other_up_to_the_bound() {
    let queue = Notes::default();
    let messages: Vec<_> = (0..12).map(|at| of(&at.to_string(), &format!("test{at}"))).collect();
    let began = Instant::now();
    let (report, sync) = handle(&messages, &queue, 900).await;
    assert_eq!(report.synced, 12);
    assert_eq!(sync.most_running.load(Ordering::SeqCst), 4);
    assert_eq!(began.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_last_try_parks_with_the_cause_instead_of_going_without_one() {
    let queue = Notes::default();
    let last = QueueMessage { receive_count: 5, ..of("last", "bad") };
    let (report, _) = handle(&[last, of("first", "bad")], &queue, 900).await;
    assert_eq!(report, BatchReport { failed: vec!["first".into()], parked: 1, ..BatchReport::default() });
    let parked = queue.parked.lock().unwrap();
    assert_eq!(parked["last"].code, "source_unavailable");
    assert_eq!(parked["last"].error, "could not read quiz: connection refused");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_parked_is_kept() {
    let queue = Notes { parking_fails: true, ..Notes::default() };
    let (report, _) = handle(&[message("1", "oops oops")], &queue, 900).await;
    assert_eq!(report, BatchReport { failed: vec!["1".into()], ..BatchReport::default() });
}

#[tokio::test(start_paused = true)]
async fn a_message_of_several_tests_is_done_when_all_are_and_comes_back_while_one_may_yet_succeed() {
    let sessions = |names: [&str; 2]| {
        let ids = names.map(|name| format!("\"{name}_6715f621e1eb083bfa9b56cc\"")).join(",");
        format!(r#"{{"session_ids":[{ids}]}}"#)
    };
    let queue = Notes::default();
    let messages = [
        message("both", &sessions(["A", "B"])),
        message("retry", &sessions(["refused", "bad"])),
        message("park", &sessions(["refused", "C"])),
    ];
    let (report, _) = handle(&messages, &queue, 900).await;
    let expected =
        BatchReport { failed: vec!["retry".into()], parked: 1, synced: 3, ..BatchReport::default() };
    assert_eq!(report, expected);
    assert!(queue.parked.lock().unwrap().contains_key("park"));
}

#[tokio::test(start_paused = true)]
async fn a_quiz_that_may_still_come_is_waited_for_and_parked_after_the_last_try() {
    let queue = Notes::default();
    let last = QueueMessage { receive_count: 5, ..of("last", "unknown-quiz") };
    let (report, _) = handle(&[last, of("first", "unknown-too")], &queue, 900).await;
    assert_eq!(report, BatchReport { failed: vec!["first".into()], parked: 1, ..BatchReport::default() });
    let parked = queue.parked.lock().unwrap();
    assert_eq!(
        (&*parked["last"].code, &*parked["last"].error),
        ("unknown_quiz", "there is no quiz q (asked for by session unknown-quiz)")
    );
}

#[tokio::test(start_paused = true)]
async fn a_completion_whose_attempt_is_not_there_comes_back_alone_and_is_parked_after_the_last_try() {
    let completed = |id: &str, user: &str, receive_count| QueueMessage {
        receive_count,
        ..message(
            id,
            &format!(
                r#"{{"type":"quiz.completed","session_id":"A","quiz_id":"q","user_id":"{user}",
                "completed_at":"2024-05-01T00:00:00Z"}}"#
            ),
        )
    };
    let queue = Notes::default();
    let messages = [completed("1", "there", 1), completed("2", "absent", 1), completed("3", "absent too", 5)];
    let (report, sync) = handle(&messages, &queue, 900).await;
    assert_eq!(report, BatchReport { failed: vec!["2".into()], parked: 1, synced: 1, absorbed: 0 });
    assert_eq!(*sync.synced.lock().unwrap(), ["A"]);
    let cause = queue.parked.lock().unwrap()["3"].clone();
    assert_eq!(cause.code, "attempt_not_found");
    assert_eq!(cause.error, "user absent too has no ended attempt at quiz q");
    let (report, sync) = handle(&[completed("2", "absent", 1)], &queue, 900).await;
    assert_eq!((report.failed.len(), sync.synced.lock().unwrap().len()), (1, 1), "others may have joined it");
}
