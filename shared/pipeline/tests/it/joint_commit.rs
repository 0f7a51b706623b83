//! A sink that commits the test sessions of a batch together.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, date};
use quiz_events::{QueueMessage, Sink};
use quiz_pipeline::batch::{BatchLimits, BatchReport};
use quiz_suites::function::SyncFunction;
use quiz_sync_state::{StartDates, StateKey, SyncState};
use tokio::time::Instant;

use crate::common::{RecordingQueue, Scripted, Scripting, States, run, sync_message};

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

/// The start dates that are stored after a run of a test session with rows of 2024-04-30.
async fn dates_after(session_id: &str) -> StartDates {
    let states = Arc::new(States::default());
    let key = StateKey { session_id: session_id.to_owned(), sink: Sink::Warehouse };
    let before = SyncState {
        revision: 1,
        quiz_id: "q".to_owned(),
        start_dates: date(2024, 4, 30).into(),
        ..SyncState::default()
    };
    states.0.lock().unwrap().insert(key.clone(), before);
    let sync = Arc::new(Scripting(Arc::new(staging())));
    let handler = SyncFunction::new(states.clone()).limits(limits()).handler_of(Sink::Warehouse, sync);
    let (messages, queue) = ([sync_message("1", session_id)], RecordingQueue::default());
    handler.handle(&messages, &queue, Instant::now() + Duration::from_mins(5)).await;
    let states = states.0.lock().unwrap();
    states[&key].start_dates.clone()
}

#[tokio::test(start_paused = true)]
async fn unanswered_commit_leaves_both_dates() {
    let dates = dates_after("stalls-the-commit").await;
    let both = [Date::MIN, date(2024, 4, 30)];
    assert_eq!(dates.known().map(|dates| dates.iter().copied().collect()), Some(both.to_vec()));
}

#[tokio::test(start_paused = true)]
async fn finished_run_leaves_its_own_date() {
    assert_eq!(dates_after("moved").await, StartDates::from(Date::MIN));
}
