//! Each message of a batch gets its own result.

use std::sync::atomic::Ordering;

use quiz_events::QueueMessage;
use quiz_pipeline::batch::BatchReport;
use tokio::time::Instant;

use crate::common::{RecordingQueue, handle, message, sync_message};

#[tokio::test(start_paused = true)]
async fn broken_message_is_parked_alone_with_its_cause() {
    let queue = RecordingQueue::default();
    let messages = [
        sync_message("1", "A"),
        message("2", "{oops"),
        sync_message("3", "A"),
        sync_message("4", "refused"),
        message("5", "{}"),
    ];
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
async fn session_change_is_acknowledged_without_a_sync() {
    let queue = RecordingQueue::default();
    let messages = [
        message("1", r#"{"environment":"production","action":"regenerate_quiz","id":825}"#),
        sync_message("2", "A"),
        message("3", r#"{"environment":"production","action":"delete","id":825}"#),
    ];
    let (report, sync) = handle(&messages, &queue, 900).await;
    assert_eq!(report, BatchReport { parked: 1, synced: 1, ..BatchReport::default() });
    assert_eq!(*sync.synced.lock().unwrap(), ["A"]);
    let parked = queue.parked.lock().unwrap();
    let problem = r#"`action` must be db_id, regenerate_quiz or patch, but is "delete""#;
    assert_eq!((&*parked["3"].code, &*parked["3"].error), ("invalid_field", problem));
}

#[tokio::test(start_paused = true)]
async fn failed_sync_fails_only_its_own_messages() {
    let queue = RecordingQueue::default();
    let messages = [
        sync_message("1", "bad"),
        sync_message("2", "panics"),
        sync_message("3", "hangs"),
        sync_message("4", "good"),
        sync_message("5", "bad"),
    ];
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
    assert!(
        delays.len() == 4 && delays.values().all(|delay| (30..=60).contains(&delay.as_secs())),
        "{delays:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn syncs_are_stopped_before_the_deadline() {
    let queue = RecordingQueue::default();
    let messages: Vec<_> = (0..4)
        .map(|at| sync_message(&at.to_string(), &format!("hangs{at}")))
        .chain([sync_message("late", "late")])
        .collect();
    let began = Instant::now();
    let (report, sync) = handle(&messages, &queue, 60).await;
    assert_eq!(began.elapsed().as_secs(), 54, "stopped with 8 s left, and aborted 2 s later");
    assert_eq!((report.failed.len(), report.synced), (5, 0));
    assert!(sync.synced.lock().unwrap().is_empty(), "the late test session was not started");
    let (report, _) = handle(&[sync_message("1", "good")], &queue, 10).await;
    assert_eq!(report.failed, ["1"], "10 s are too few to start, and no invocation has more");
}

#[tokio::test(start_paused = true)]
async fn syncs_run_in_parallel_up_to_the_limit() {
    let queue = RecordingQueue::default();
    let messages: Vec<_> = (0..12).map(|at| sync_message(&at.to_string(), &format!("test{at}"))).collect();
    let began = Instant::now();
    let (report, sync) = handle(&messages, &queue, 900).await;
    assert_eq!(report.synced, 12);
    assert_eq!(sync.most_running.load(Ordering::SeqCst), 4);
    assert_eq!(began.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn last_try_parks_with_the_cause() {
    let queue = RecordingQueue::default();
    let last = QueueMessage { receive_count: 5, ..sync_message("last", "bad") };
    let (report, _) = handle(&[last, sync_message("first", "bad")], &queue, 900).await;
    assert_eq!(report, BatchReport { failed: vec!["first".into()], parked: 1, ..BatchReport::default() });
    let parked = queue.parked.lock().unwrap();
    assert_eq!(parked["last"].code, "source_unavailable");
    assert_eq!(parked["last"].error, "could not read quiz: connection refused");
}

#[tokio::test(start_paused = true)]
async fn message_that_cannot_be_parked_is_kept() {
    let queue = RecordingQueue { parking_fails: true, ..RecordingQueue::default() };
    let (report, _) = handle(&[message("1", "oops oops")], &queue, 900).await;
    assert_eq!(report, BatchReport { failed: vec!["1".into()], ..BatchReport::default() });
}

#[tokio::test(start_paused = true)]
async fn message_of_several_test_sessions_waits_for_all() {
    let sessions = |names: [&str; 2]| {
        let ids = names.map(|name| format!("\"{name}_6715f621e1eb083bfa9b56cc\"")).join(",");
        format!(r#"{{"session_ids":[{ids}]}}"#)
    };
    let queue = RecordingQueue::default();
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
async fn missing_quiz_is_retried_then_parked() {
    let queue = RecordingQueue::default();
    let last = QueueMessage { receive_count: 5, ..sync_message("last", "unknown-quiz") };
    let (report, _) = handle(&[last, sync_message("first", "unknown-too")], &queue, 900).await;
    assert_eq!(report, BatchReport { failed: vec!["first".into()], parked: 1, ..BatchReport::default() });
    let parked = queue.parked.lock().unwrap();
    assert_eq!(
        (&*parked["last"].code, &*parked["last"].error),
        ("unknown_quiz", "there is no quiz q (requested by session unknown-quiz)")
    );
}

#[tokio::test(start_paused = true)]
async fn completion_without_attempt_is_retried_then_parked() {
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
    let queue = RecordingQueue::default();
    let messages = [completed("1", "there", 1), completed("2", "absent", 1), completed("3", "absent too", 5)];
    let (report, sync) = handle(&messages, &queue, 900).await;
    assert_eq!(report, BatchReport { failed: vec!["2".into()], parked: 1, synced: 1, absorbed: 0 });
    assert_eq!(*sync.synced.lock().unwrap(), ["A"]);
    let cause = queue.parked.lock().unwrap()["3"].clone();
    assert_eq!(cause.code, "attempt_not_found");
    assert_eq!(cause.error, "the student of this completion has no ended attempt at quiz q");
    let (report, sync) = handle(&[completed("2", "absent", 1)], &queue, 900).await;
    assert_eq!(
        (report.failed.len(), sync.synced.lock().unwrap().len()),
        (1, 1),
        "other requests may have joined it"
    );
}
