//! The queue on the SQS server of the local stack.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName};
use quiz_events::{ParkCause, QueueMessage, SourceQueue};
use quiz_pipeline::ports::{Clock, SystemClock};
use quiz_sns_sqs::SqsQueue;
use quiz_stack::{QueuePair, Stack, unique};
use quiz_suites::queue::{DeadLetter, QueueHarness, source_queue};

const RECEIVES: u32 = 20;
const VISIBILITY: Duration = Duration::from_secs(30);

struct Harness {
    stack: &'static Stack,
    sqs: Client,
    queue: QueuePair,
    dead: Mutex<Vec<DeadLetter>>,
}

impl Harness {
    async fn new() -> Self {
        let stack = Stack::get().await.unwrap();
        let queue = stack.create_queue_pair(&unique("queue"), RECEIVES, VISIBILITY).await.unwrap();
        Self { stack, sqs: stack.sqs(), queue, dead: Mutex::default() }
    }

    fn queue(&self) -> SqsQueue {
        SqsQueue::from_arn(self.stack.sqs(), &self.queue.arn)
    }
}

fn strings(attributes: Option<HashMap<String, MessageAttributeValue>>) -> BTreeMap<String, String> {
    let attributes = attributes.unwrap_or_default().into_iter();
    attributes.filter_map(|(name, value)| Some((name, value.string_value?))).collect()
}

fn received(message: Message) -> QueueMessage {
    let count = message
        .attributes
        .as_ref()
        .and_then(|system| system.get(&MessageSystemAttributeName::ApproximateReceiveCount)?.parse().ok());
    QueueMessage {
        message_id: message.message_id.unwrap(),
        receipt_handle: message.receipt_handle.unwrap(),
        body: message.body.unwrap(),
        event_type: strings(message.message_attributes).remove("type"),
        sent_at: None,
        receive_count: count.unwrap(),
        ..QueueMessage::default()
    }
}

#[async_trait]
impl QueueHarness for Harness {
    async fn send(&self, body: &str, event_type: Option<&str>) {
        let mut request = self.sqs.send_message().queue_url(&self.queue.url).message_body(body);
        if let Some(event_type) = event_type {
            let value = MessageAttributeValue::builder().data_type("String").string_value(event_type);
            request = request.message_attributes("type", value.build().unwrap());
        }
        request.send().await.unwrap();
    }

    async fn receive(&self, visibility_timeout: Duration) -> Vec<QueueMessage> {
        let request = self.sqs.receive_message().queue_url(&self.queue.url).max_number_of_messages(10);
        let request = request.visibility_timeout(i32::try_from(visibility_timeout.as_secs()).unwrap());
        let request = request.message_attribute_names("All");
        let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = request.send().await.unwrap();
        answer.messages.unwrap_or_default().into_iter().map(received).collect()
    }

    async fn delete(&self, receipt_handle: &str) {
        let request = self.sqs.delete_message().queue_url(&self.queue.url);
        request.receipt_handle(receipt_handle).send().await.unwrap();
    }

    async fn dead_letters(&self) -> Vec<DeadLetter> {
        let new = self.stack.drain(&self.queue.dlq_url).await.unwrap();
        let new = new.into_iter().map(|message| DeadLetter {
            body: message.body.unwrap(),
            attributes: strings(message.message_attributes),
        });
        let mut dead = self.dead.lock().unwrap();
        dead.extend(new);
        dead.clone()
    }

    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn max_receive_count(&self) -> Option<u32> {
        Some(RECEIVES)
    }
}

fn message(body: &str) -> QueueMessage {
    QueueMessage { message_id: "m1".into(), body: body.into(), receive_count: 1, ..QueueMessage::default() }
}

fn cause(error: &str) -> ParkCause {
    ParkCause { code: "unknown_quiz".into(), error: error.into(), parked_at: SystemClock.now() }
}

#[tokio::test]
async fn queue_passes_the_suite_of_its_port() {
    let harness = Harness::new().await;
    source_queue(&harness.queue(), &harness).await;
}

#[tokio::test]
async fn cause_and_body_of_any_size_are_parked() {
    let harness = Harness::new().await;
    let queue = harness.queue();
    // the setting of a queue from before 2025
    let request = harness.sqs.set_queue_attributes().queue_url(&harness.queue.dlq_url);
    request.attributes(QueueAttributeName::MaximumMessageSize, "262144").send().await.unwrap();
    let sizes = [1, 262_144 - 600, 262_144 - 100, 262_144 - 20, 262_144];
    for size in sizes {
        queue.park(&message(&"b".repeat(size)), &cause(&"\0é🙂".repeat(2_000))).await.unwrap();
    }
    let parked = harness.dead_letters().await;
    let mut found: Vec<_> = parked
        .iter()
        .map(|letter| {
            let error = letter.attributes.get("error").map_or(0, |error| error.chars().count());
            (letter.body.len(), letter.attributes.contains_key("error_code"), error > 0, error <= 1_000)
        })
        .collect();
    found.sort_unstable();
    let expected = [
        (sizes[0], true, true, true),
        (sizes[1], true, true, true),
        (sizes[2], true, true, true),
        (sizes[3], false, false, true),
        (sizes[4], false, false, true),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn parking_fails_until_a_redrive_policy_is_set() {
    let stack = Stack::get().await.unwrap();
    let pair = stack.create_queue_pair(&unique("queue"), 5, VISIBILITY).await.unwrap();
    // a dead-letter queue has no dead-letter queue of its own
    let queue = SqsQueue::from_arn(stack.sqs(), &pair.dlq_arn);
    assert_eq!(queue.max_receive_count().await.unwrap(), None);
    let error = queue.park(&message("secret body"), &cause("no such quiz")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "could not park message m1: the queue {} has no dead-letter queue: give it a redrive policy",
            pair.dlq_arn
        )
    );
    let policy = format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":7}}"#, pair.arn);
    let request = stack.sqs().set_queue_attributes().queue_url(&pair.dlq_url);
    request.attributes(QueueAttributeName::RedrivePolicy, policy).send().await.unwrap();
    assert_eq!(queue.max_receive_count().await.unwrap(), Some(7));
    queue.park(&message("body"), &cause("no such quiz")).await.unwrap();
    assert_eq!(stack.drain(&pair.url).await.unwrap().len(), 1);
}

#[tokio::test]
async fn missing_queue_is_an_error_at_first_use() {
    let stack = Stack::get().await.unwrap();
    let queue = |arn: &str| SqsQueue::from_arn(stack.sqs(), arn);
    let gone = format!("arn:aws:sqs:ap-south-1:000000000000:{}", unique("gone"));
    let error = queue(&gone).delay(&message("secret body"), VISIBILITY).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("could not delay message m1: queue gone-"), "{text}");
    assert!(text.contains("NonExistentQueue") || text.contains("QueueDoesNotExist"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let error = queue("").max_receive_count().await.unwrap_err();
    assert!(error.to_string().ends_with("\"\" is no ARN of an SQS queue"), "{error}");
}

#[tokio::test]
async fn unreachable_server_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let stack = Stack::get().await.unwrap();
    let config = aws_sdk_sqs::config::Builder::from(&stack.aws_config()).endpoint_url(endpoint).build();
    let queue = SqsQueue::from_arn(Client::from_conf(config), "arn:aws:sqs:ap-south-1:000000000000:q");
    let error = queue.park(&message("secret body"), &cause("no such quiz")).await.unwrap_err();
    assert!(error.to_string().starts_with("could not park message m1: queue q: "), "{error}");
}
