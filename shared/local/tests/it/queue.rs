//! The queue in memory, with a clock that the tests move.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quiz_events::{QueueMessage, SourceQueue};
use quiz_local::{MemoryQueue, QueueSettings, VisibilityError};
use quiz_pipeline::ports::Clock;
use quiz_suites::queue::{DeadLetter, QueueHarness, source_queue};

use crate::common::MovedClock;

const TIMEOUT: Duration = Duration::from_secs(30);

fn queue(max_receive_count: Option<u32>) -> (MemoryQueue, Arc<MovedClock>) {
    let clock = Arc::new(MovedClock::default());
    let settings = QueueSettings { visibility_timeout: TIMEOUT, max_receive_count };
    (MemoryQueue::new(settings, Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

struct Harness<'a>(&'a MemoryQueue, &'a MovedClock);

#[async_trait]
impl QueueHarness for Harness<'_> {
    async fn send(&self, body: &str, event_type: Option<&str>) {
        self.0.send(body, event_type);
    }

    async fn receive(&self, visibility_timeout: Duration) -> Vec<QueueMessage> {
        self.0.receive_for(10, visibility_timeout)
    }

    async fn delete(&self, receipt_handle: &str) {
        assert!(self.0.delete(receipt_handle));
    }

    async fn dead_letters(&self) -> Vec<DeadLetter> {
        let letters = self.0.dead_letters().into_iter();
        letters.map(|letter| DeadLetter { body: letter.body, attributes: letter.attributes }).collect()
    }

    async fn pass(&self, time: Duration) {
        self.1.pass(time);
    }

    fn max_receive_count(&self) -> Option<u32> {
        Some(6)
    }
}

#[tokio::test]
async fn memory_queue_is_a_source_queue() {
    let (queue, clock) = queue(Some(6));
    source_queue(&queue, &Harness(&queue, &clock)).await;
    assert!(queue.is_empty(), "the suite left something");
}

#[test]
fn received_message_returns_after_visibility_timeout() {
    let (queue, clock) = queue(None);
    let sent_at = clock.now();
    let id = queue.send("body", Some("quiz.completed"));
    let message = queue.receive(10).pop().unwrap();
    assert_eq!((message.message_id, message.sent_at), (id, Some(sent_at)));
    assert_eq!((message.event_type.as_deref(), message.receive_count), (Some("quiz.completed"), 1));
    assert_eq!((queue.visible(), queue.len()), (0, 1));
    assert_eq!(queue.next_visible_at(), Some(sent_at + jiff::SignedDuration::from_secs(30)));
    clock.pass(TIMEOUT.checked_sub(Duration::from_nanos(1)).unwrap());
    assert!(queue.receive(10).is_empty());
    clock.pass(Duration::from_nanos(1));
    assert_eq!(queue.next_visible_at(), None, "it is visible");
    assert_eq!(queue.receive(10).pop().unwrap().receive_count, 2);
}

#[test]
fn only_newest_receipt_deletes_or_changes_visibility() {
    let (queue, clock) = queue(None);
    queue.send("body", None);
    let first = queue.receive(1).pop().unwrap().receipt_handle;
    clock.pass(TIMEOUT);
    assert_eq!(queue.change_visibility(&first, TIMEOUT), Err(VisibilityError::NotInFlight(first.clone())));
    let second = queue.receive(1).pop().unwrap().receipt_handle;
    assert_ne!(first, second);
    assert!(!queue.delete(&first));
    assert_eq!(queue.change_visibility(&first, TIMEOUT), Err(VisibilityError::UnknownReceipt(first)));
    assert!(queue.delete(&second));
    assert!(queue.is_empty());
    assert!(!queue.delete(&second));
    assert!(!queue.delete("no receipt"));
}

#[test]
fn receipt_is_valid_until_next_receive() {
    let (queue, clock) = queue(None);
    queue.send("body", None);
    let receipt = queue.receive(1).pop().unwrap().receipt_handle;
    clock.pass(TIMEOUT);
    assert_eq!(queue.visible(), 1);
    assert!(queue.delete(&receipt));
    assert!(queue.receive(1).is_empty());
}

#[test]
fn visibility_timeout_over_12_hours_is_refused() {
    let (queue, _) = queue(None);
    queue.send("body", None);
    let receipt = queue.receive(1).pop().unwrap().receipt_handle;
    let hours = |hours| Duration::from_hours(hours);
    assert_eq!(queue.change_visibility(&receipt, hours(12)), Ok(()));
    assert_eq!(queue.change_visibility(&receipt, hours(13)), Err(VisibilityError::TooLong(hours(13))));
}

#[tokio::test]
async fn delay_with_stale_receipt_is_an_error() {
    let (queue, clock) = queue(None);
    queue.send("body", None);
    let stale = queue.receive(1).pop().unwrap();
    clock.pass(TIMEOUT);
    let newer = queue.receive(1).pop().unwrap();
    let error = queue.delay(&stale, Duration::ZERO).await.unwrap_err();
    assert!(error.to_string().starts_with("could not delay message message-000001: "), "{error}");
    queue.delay(&newer, Duration::ZERO).await.unwrap();
    assert_eq!(queue.visible(), 1);
}

#[test]
fn receive_beyond_the_limit_makes_dead_letter() {
    let (queue, clock) = queue(Some(3));
    let id = queue.send("body", Some("session.sync"));
    queue.send("other", None);
    for receives in 1..=3 {
        let received = queue.receive(1).pop().unwrap();
        assert_eq!((received.body.as_str(), received.receive_count), ("body", receives));
        clock.pass(TIMEOUT);
    }
    assert_eq!(queue.dead_letter_count(), 0, "it could still have been handled");
    let received: Vec<_> = queue.receive(10).into_iter().map(|message| message.body).collect();
    assert_eq!(received, ["other"]);
    let letters = queue.dead_letters();
    assert_eq!((letters[0].message_id.as_str(), letters[0].body.as_str()), (id.as_str(), "body"));
    let attributes: Vec<_> = letters[0].attributes.iter().collect();
    assert_eq!(attributes, [(&"type".to_owned(), &"session.sync".to_owned())]);
    assert_eq!(queue.len(), 1);
}

#[test]
fn fifty_thousand_messages_are_each_handled_once() {
    let (queue, clock) = queue(Some(5));
    for number in 0..50_000 {
        queue.send(number.to_string(), None);
    }
    let mut handled = Vec::new();
    loop {
        let batch = queue.receive(10);
        if batch.is_empty() {
            match queue.next_visible_at() {
                None => break,
                Some(_) => clock.pass(TIMEOUT),
            }
        }
        for message in batch {
            let number: u32 = message.body.parse().unwrap();
            // every third message is received twice
            if number.is_multiple_of(3) && message.receive_count == 1 {
                continue;
            }
            assert!(queue.delete(&message.receipt_handle));
            handled.push(number);
        }
    }
    handled.sort_unstable();
    assert!(handled.into_iter().eq(0..50_000));
    assert_eq!((queue.len(), queue.dead_letter_count()), (0, 0));
}
