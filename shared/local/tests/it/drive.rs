//! The event source mapping, on tokio's paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use quiz_events::{QueueMessage, SourceQueue};
use quiz_local::{DriveReport, MemoryQueue, QueueSettings, drive};
use tokio::time::Instant;

use crate::common::TokioClock;

fn queue(bodies: &[&str], max_receive_count: u32) -> MemoryQueue {
    let settings = QueueSettings {
        visibility_timeout: Duration::from_mins(1),
        max_receive_count: Some(max_receive_count),
    };
    let queue = MemoryQueue::new(settings, Arc::new(TokioClock::start()));
    for body in bodies {
        queue.send(*body, None);
    }
    queue
}

fn ids(batch: &[QueueMessage], failing: impl Fn(&QueueMessage) -> bool) -> Vec<String> {
    batch.iter().filter(|message| failing(message)).map(|message| message.message_id.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn messages_are_handled_in_batches_of_given_size() {
    let queue = queue(&["a", "b", "c", "d", "e"], 3);
    let sizes = Mutex::new(Vec::new());
    let mut progress = Vec::new();
    let handler = async |batch: Vec<QueueMessage>| {
        sizes.lock().unwrap().push(batch.len());
        Vec::new()
    };
    let report = drive(&queue, 2, handler, |report| progress.push(report.handled)).await;
    assert_eq!(*sizes.lock().unwrap(), [2, 2, 1]);
    assert_eq!(progress, [2, 4, 5]);
    assert_eq!(report, DriveReport { batches: 3, handled: 5, failed: 0, dead_letters: 0 });
}

#[tokio::test(start_paused = true)]
async fn only_failed_message_returns_after_visibility_timeout() {
    let queue = queue(&["good", "flaky", "good"], 3);
    let started = Instant::now();
    let tries = Mutex::new(Vec::new());
    let handler = async |batch: Vec<QueueMessage>| {
        tries.lock().unwrap().push((batch.len(), started.elapsed().as_secs()));
        ids(&batch, |message| message.body == "flaky" && message.receive_count == 1)
    };
    let report = drive(&queue, 10, handler, |_| {}).await;
    assert_eq!(*tries.lock().unwrap(), [(3, 0), (1, 60)]);
    assert_eq!(report, DriveReport { batches: 2, handled: 3, failed: 1, dead_letters: 0 });
}

#[tokio::test(start_paused = true)]
async fn always_failing_message_becomes_dead_letter() {
    let queue = queue(&["good", "poison"], 3);
    let handler = async |batch: Vec<QueueMessage>| ids(&batch, |message| message.body == "poison");
    let report = drive(&queue, 10, handler, |_| {}).await;
    assert_eq!(report, DriveReport { batches: 3, handled: 1, failed: 3, dead_letters: 1 });
    assert_eq!(queue.dead_letters()[0].body, "poison");
}

#[tokio::test(start_paused = true)]
async fn panic_fails_only_its_whole_batch() {
    let queue = queue(&["a", "b", "c"], 3);
    let handler = async |batch: Vec<QueueMessage>| {
        assert!(batch.len() == 1 || batch[0].receive_count > 1, "the handler breaks down");
        Vec::new()
    };
    let report = drive(&queue, 2, handler, |_| {}).await;
    assert_eq!((report.handled, report.failed, report.dead_letters), (3, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn panic_before_first_await_fails_the_batch() {
    let queue = queue(&["a"], 2);
    let handler = |_: Vec<QueueMessage>| -> std::future::Ready<Vec<String>> { panic!("no future") };
    let report = drive(&queue, 2, handler, |_| {}).await;
    assert_eq!(report, DriveReport { batches: 2, handled: 0, failed: 2, dead_letters: 1 });
}

#[tokio::test(start_paused = true)]
async fn unknown_or_empty_failure_id_fails_the_batch() {
    for id in ["unknown", ""] {
        let queue = queue(&["a", "b"], 3);
        let handler = async |batch: Vec<QueueMessage>| {
            if batch[0].receive_count == 1 { vec![id.to_owned()] } else { Vec::new() }
        };
        let report = drive(&queue, 2, handler, |_| {}).await;
        assert_eq!(report, DriveReport { batches: 2, handled: 2, failed: 2, dead_letters: 0 });
    }
}

#[tokio::test(start_paused = true)]
async fn delay_of_handler_replaces_visibility_timeout() {
    let queue = queue(&["a"], 3);
    let started = Instant::now();
    let handler = async |batch: Vec<QueueMessage>| {
        if batch[0].receive_count > 1 {
            return Vec::new();
        }
        queue.delay(&batch[0], Duration::from_secs(5)).await.unwrap();
        ids(&batch, |_| true)
    };
    drive(&queue, 2, handler, |_| {}).await;
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn new_message_interrupts_the_wait() {
    let queue = queue(&["flaky"], 3);
    let started = Instant::now();
    let handled = Mutex::new(Vec::new());
    let handler = async |batch: Vec<QueueMessage>| {
        let failed = ids(&batch, |message| message.body == "flaky" && message.receive_count == 1);
        if failed.is_empty() {
            handled.lock().unwrap().push((batch[0].body.clone(), started.elapsed().as_secs()));
        }
        failed
    };
    let sender = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        queue.send("later", None);
    };
    tokio::join!(drive(&queue, 2, handler, |_| {}), sender);
    assert_eq!(*handled.lock().unwrap(), [("later".to_owned(), 7), ("flaky".to_owned(), 60)]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_queue_is_done_at_once() {
    let report = drive(&queue(&[], 3), 10, async |_| Vec::new(), |_| {}).await;
    assert_eq!(report, DriveReport::default());
}
