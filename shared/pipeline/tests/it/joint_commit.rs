//! A sink that commits the test sessions of a batch together.

use std::time::Duration;

use quiz_events::QueueMessage;
use quiz_pipeline::batch::{BatchLimits, BatchReport};
use tokio::time::Instant;

use crate::common::{RecordingQueue, Scripted, run, sync_message};

fn staging() -> Scripted {
    Scripted { commits: true, ..Scripted::default() }
}

fn limits() -> BatchLimits {
    BatchLimits { commit_reserve: Duration::from_mins(2), ..BatchLimits::default() }
}

#[tokio::test(start_paused = true)]
async fn staged_test_sessions_are_committed_together() {
    let queue = RecordingQueue::default();
    let mut messages: Vec<QueueMessage> =
        (0..50).map(|at| sync_message(&at.to_string(), &format!("test{at}"))).collect();
    messages.extend([
        sync_message("panics", "panics"),
        sync_message("bad", "bad"),
        sync_message("unknown", "unknown"),
    ]);
    let (mut report, script) = run(staging(), limits(), &messages, &queue, 900).await;
    report.failed.sort();
    assert_eq!(
        report,
        BatchReport {
            failed: ["bad", "panics", "unknown"].map(str::to_owned).into(),
            synced: 50,
            ..BatchReport::default()
        }
    );
    assert_eq!(*script.commit_sizes.lock().unwrap(), [50]);
}

#[tokio::test(start_paused = true)]
async fn refused_rows_park_only_their_test_session() {
    let queue = RecordingQueue::default();
    let messages = [sync_message("1", "A"), sync_message("2", "refused"), sync_message("3", "B")];
    let (report, _) = run(staging(), limits(), &messages, &queue, 900).await;
    assert_eq!(report, BatchReport { failed: vec![], parked: 1, synced: 2, absorbed: 0 });
    let parked = queue.parked.lock().unwrap();
    assert_eq!(parked["2"].code, "rows_refused");
    assert_eq!(
        parked["2"].error,
        "the warehouse refuses rows of session refused: row 3, field rank: no number"
    );
}

#[tokio::test(start_paused = true)]
async fn hanging_sync_leaves_time_for_the_commit() {
    let queue = RecordingQueue::default();
    let began = Instant::now();
    let (report, script) =
        run(staging(), limits(), &[sync_message("1", "hangs"), sync_message("2", "good")], &queue, 300).await;
    assert_eq!(report, BatchReport { failed: vec!["1".into()], parked: 0, synced: 1, absorbed: 0 });
    assert_eq!(began.elapsed().as_secs(), 300 - 120 - 8 + 2, "two minutes are kept for the commit");
    assert_eq!(*script.commit_sizes.lock().unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn hanging_commit_returns_all_messages() {
    let queue = RecordingQueue::default();
    let began = Instant::now();
    let messages = [sync_message("1", "stalls-the-commit"), sync_message("2", "good")];
    let (mut report, _) = run(staging(), limits(), &messages, &queue, 300).await;
    report.failed.sort();
    assert_eq!(
        report,
        BatchReport { failed: vec!["1".into(), "2".into()], parked: 0, synced: 0, absorbed: 0 }
    );
    assert_eq!(began.elapsed().as_secs(), 294);
}

#[tokio::test(start_paused = true)]
async fn nothing_staged_means_no_commit() {
    let (_, script) =
        run(staging(), limits(), &[sync_message("1", "bad")], &RecordingQueue::default(), 900).await;
    assert!(script.commit_sizes.lock().unwrap().is_empty());
}
