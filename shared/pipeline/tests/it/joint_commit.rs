//! A sink that commits a batch's tests together.

use std::time::Duration;

use quiz_events::QueueMessage;
use quiz_pipeline::batch::{BatchLimits, BatchReport};
use tokio::time::Instant;

use crate::common::{Notes, Scripted, of, run};

fn staging() -> Scripted {
    Scripted { commits: true, ..Scripted::default() }
}

fn limits() -> BatchLimits {
    BatchLimits { commit_reserve: Duration::from_mins(2), ..BatchLimits::default() }
}

#[tokio::test(start_paused = true)]
async fn all_tests_of_a_batch_are_committed_at_once_and_what_failed_before_is_not_among_them() {
    let queue = Notes::default();
    let mut messages: Vec<QueueMessage> =
        (0..50).map(|at| of(&at.to_string(), &format!("test{at}"))).collect();
    messages.extend([of("panics", "panics"), of("bad", "bad"), of("unknown", "unknown")]);
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
    assert_eq!(*script.commits_of.lock().unwrap(), [50]);
}

#[tokio::test(start_paused = true)]
async fn a_test_whose_rows_are_refused_is_parked_with_the_row_and_the_others_are_done() {
    let queue = Notes::default();
    let messages = [of("1", "A"), of("2", "refused"), of("3", "B")];
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
async fn a_test_that_hangs_is_stopped_early_enough_for_the_others_to_be_committed() {
    let queue = Notes::default();
    let began = Instant::now();
    let (report, script) = run(staging(), limits(), &[of("1", "hangs"), of("2", "good")], &queue, 300).await;
    assert_eq!(report, BatchReport { failed: vec!["1".into()], parked: 0, synced: 1, absorbed: 0 });
    assert_eq!(began.elapsed().as_secs(), 300 - 120 - 8 + 2, "two minutes are kept for the commit");
    assert_eq!(*script.commits_of.lock().unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_hangs_is_stopped_in_time_and_all_its_messages_come_again() {
    let queue = Notes::default();
    let began = Instant::now();
    let messages = [of("1", "stalls-the-commit"), of("2", "good")];
    let (mut report, _) = run(staging(), limits(), &messages, &queue, 300).await;
    report.failed.sort();
    assert_eq!(
        report,
        BatchReport { failed: vec!["1".into(), "2".into()], parked: 0, synced: 0, absorbed: 0 }
    );
    assert_eq!(began.elapsed().as_secs(), 294);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_committed_where_nothing_was_staged() {
    let (_, script) = run(staging(), limits(), &[of("1", "bad")], &Notes::default(), 900).await;
    assert!(script.commits_of.lock().unwrap().is_empty());
}
