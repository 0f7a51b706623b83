//! The suite of [`SourceQueue`].

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use quiz_events::{ParkCause, QueueMessage, SourceQueue};

/// The timeout of a message that returns only through the adapter.
const LONG: Duration = Duration::from_mins(10);
/// The timeout of a message that returns by itself.
const SHORT: Duration = Duration::from_secs(2);
/// The interval and the number of checks while a suite waits: 60 s in all.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 600;

/// A message in the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub body: String,
    /// Message attributes of type String.
    pub attributes: BTreeMap<String, String>,
}

/// The other users of the queue: senders, the event source mapping and operators. Panics where the queue fails.
#[async_trait]
pub trait QueueHarness: Send + Sync {
    /// Sends a message, with the message attribute `type` where one is given.
    async fn send(&self, body: &str, event_type: Option<&str>);

    /// Receives some of the visible messages, or none, and hides each for `visibility_timeout`.
    async fn receive(&self, visibility_timeout: Duration) -> Vec<QueueMessage>;

    async fn delete(&self, receipt_handle: &str);

    /// All messages seen in the dead-letter queue so far, including those of earlier calls.
    async fn dead_letters(&self) -> Vec<DeadLetter>;

    /// Lets this much time pass: a moved clock, or a sleep.
    async fn pass(&self, time: Duration);

    /// The configured receive limit of the queue.
    fn max_receive_count(&self) -> Option<u32>;
}

/// Asserts the promises of the port. The queue and its dead-letter queue are empty, have no other user, and allow at
/// least 6 receives of a message.
pub async fn source_queue(queue: &dyn SourceQueue, harness: &dyn QueueHarness) {
    queue_reports_its_receive_limit(queue, harness).await;
    parked_message_keeps_its_cause(queue, harness).await;
    untyped_message_is_parked_without_type(queue, harness).await;
    acknowledged_messages_never_return(queue, harness).await;
    zero_delay_returns_message_at_once(queue, harness).await;
    delayed_message_stays_hidden(queue, harness).await;
    follow_up_arrives_when_due(queue, harness).await;
}

async fn queue_reports_its_receive_limit(queue: &dyn SourceQueue, harness: &dyn QueueHarness) {
    let limit = queue.max_receive_count().await.unwrap();
    assert_eq!(limit, harness.max_receive_count());
    assert!(limit.is_none_or(|limit| limit >= 6), "the suite receives a message up to 6 times");
}

async fn parked_message_keeps_its_cause(queue: &dyn SourceQueue, harness: &dyn QueueHarness) {
    let body = " {\"session_id\" : \"हिन्दी 🙂\",\n\t\"quiz_id\": \"no <quiz> & \\u0041\"} ";
    harness.send(body, Some("quiz.completed")).await;
    let message = receive_one(harness, LONG, "the message sent").await;
    assert_eq!(message.body, body);
    let cause = cause("unknown_quiz", "there is no quiz \"no <quiz> & A\" – कारण");
    queue.park(&message, &cause).await.unwrap();
    let letter = dead_letter(harness, 1).await;
    assert_eq!(letter.body, body, "the body was touched");
    let parked_at = cause.parked_at.to_string();
    let expected = [
        ("error", cause.error.as_str()),
        ("error_code", "unknown_quiz"),
        ("parked_at", parked_at.as_str()),
        ("type", "quiz.completed"),
    ];
    let found: Vec<_> = letter.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(found, expected);
    // parking acknowledges nothing: the message stays in the queue
    queue.delay(&message, Duration::ZERO).await.unwrap();
    let again = receive_one(harness, LONG, "the parked message, not acknowledged").await;
    assert_eq!((again.message_id.as_str(), again.receive_count), (message.message_id.as_str(), 2));
    harness.delete(&again.receipt_handle).await;
}

async fn untyped_message_is_parked_without_type(queue: &dyn SourceQueue, harness: &dyn QueueHarness) {
    harness.send("not json {", None).await;
    let message = receive_one(harness, LONG, "a message without type").await;
    queue.park(&message, &cause("not_json", "the body is no JSON")).await.unwrap();
    let letter = dead_letter(harness, 2).await;
    assert_eq!(letter.body, "not json {");
    let attributes: Vec<_> = letter.attributes.keys().map(String::as_str).collect();
    assert_eq!(attributes, ["error", "error_code", "parked_at"]);
    harness.delete(&message.receipt_handle).await;
}

async fn acknowledged_messages_never_return(queue: &dyn SourceQueue, harness: &dyn QueueHarness) {
    let mut received = Vec::new();
    // more than SQS deletes in one request
    for number in 0..12 {
        harness.send(&format!("to acknowledge {number}"), None).await;
        received.push(receive_one(harness, LONG, "a message to acknowledge").await);
    }
    let all: Vec<&QueueMessage> = received.iter().collect();
    queue.acknowledge(&all).await.unwrap();
    queue.acknowledge(&[]).await.unwrap();
    for message in all {
        // a message left in the queue becomes visible at once; for a deleted message the queue may return an error
        drop(queue.delay(message, Duration::ZERO).await);
    }
    assert!(harness.receive(LONG).await.is_empty(), "an acknowledged message came again");
}

async fn zero_delay_returns_message_at_once(queue: &dyn SourceQueue, harness: &dyn QueueHarness) {
    harness.send("again", Some("session.sync")).await;
    let mut message = receive_one(harness, LONG, "a message to be tried again").await;
    assert_eq!(message.receive_count, 1);
    for receives in 2..=4 {
        queue.delay(&message, Duration::ZERO).await.unwrap();
        let again = receive_one(harness, LONG, "a message made visible at once").await;
        assert_eq!(again.message_id, message.message_id);
        assert_eq!(again.receive_count, receives);
        assert_eq!((again.body.as_str(), again.event_type.as_deref()), ("again", Some("session.sync")));
        message = again;
    }
    harness.delete(&message.receipt_handle).await;
}

/// A second message with a short timeout returns, while the delayed message stays hidden.
async fn delayed_message_stays_hidden(queue: &dyn SourceQueue, harness: &dyn QueueHarness) {
    harness.send("delayed", None).await;
    let delayed = receive_one(harness, SHORT, "a message to be delayed").await;
    queue.delay(&delayed, LONG).await.unwrap();
    harness.send("witness", None).await;
    receive_one(harness, SHORT, "a witness").await;
    let witness = receive_one(harness, LONG, "the witness for the second time").await;
    assert_eq!(witness.body, "witness", "the delayed message came back too early");
    let others = harness.receive(LONG).await;
    assert!(others.is_empty(), "the delayed message came back too early: {others:?}");
    queue.delay(&delayed, Duration::ZERO).await.unwrap();
    let back = receive_one(harness, LONG, "the delayed message, delayed no more").await;
    assert_eq!(back.body, "delayed");
    harness.delete(&witness.receipt_handle).await;
    harness.delete(&back.receipt_handle).await;
}

fn cause(code: &str, error: &str) -> ParkCause {
    let parked_at = "2024-05-01T10:20:30.123456Z".parse().unwrap();
    ParkCause { code: code.to_owned(), error: error.to_owned(), parked_at }
}

async fn receive_one(harness: &dyn QueueHarness, visibility_timeout: Duration, what: &str) -> QueueMessage {
    for _ in 0..LOOKS {
        let mut received = harness.receive(visibility_timeout).await;
        if let Some(message) = received.pop() {
            assert!(received.is_empty(), "{what} came with others: {received:?}");
            return message;
        }
        harness.pass(LOOK).await;
    }
    panic!("{what} was not received in {LOOKS} looks");
}

async fn follow_up_arrives_when_due(queue: &dyn SourceQueue, harness: &dyn QueueHarness) {
    let now = queue.send("{\"now\": 1}", "session.sync", Duration::ZERO).await.unwrap();
    let message = receive_one(harness, LONG, "a follow-up without delay").await;
    assert_eq!((message.message_id, message.body.as_str(), message.receive_count), (now, "{\"now\": 1}", 1));
    assert_eq!(message.event_type.as_deref(), Some("session.sync"));
    harness.delete(&message.receipt_handle).await;
    let later = queue.send("{\"later\": 1}", "session.sync", SHORT).await.unwrap();
    assert!(harness.receive(LONG).await.is_empty(), "the follow-up is not due yet");
    let message = receive_one(harness, LONG, "a follow-up that is due").await;
    assert_eq!((message.message_id, message.receive_count), (later, 1));
    harness.delete(&message.receipt_handle).await;
}

/// Waits for `count` dead letters and returns the last one.
async fn dead_letter(harness: &dyn QueueHarness, count: usize) -> DeadLetter {
    for _ in 0..LOOKS {
        let mut letters = harness.dead_letters().await;
        assert!(letters.len() <= count, "more was parked than once: {letters:?}");
        if letters.len() == count {
            return letters.pop().unwrap();
        }
        harness.pass(LOOK).await;
    }
    panic!("message {count} did not reach the dead-letter queue");
}
