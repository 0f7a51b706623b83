//! Dead-letter queues on the local stack: found, browsed, replayed and dropped, also with failures and interruptions.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{Message, MessageAttributeValue, QueueAttributeName};
use jiff::Timestamp;
use quiz_events::{ParkCause, QueueMessage, SourceQueue};
use quiz_sns_sqs::SqsQueue;
use quiz_sns_sqs::dead_letters::{
    ActError, ActionReport, BrowseResult, DeadLetter, DeadLetterAction, DeadLetterQueue, DeadLetters,
    NoSource, Pace, SourceKind,
};
use quiz_stack::{Action, Delivery, Gate, GateRequest, QueueDepth, QueuePair, Stack, unique};

const VISIBILITY: Duration = Duration::from_mins(10);

/// A topic that feeds one queue with a dead-letter queue.
struct DeadLetterFixture {
    stack: &'static Stack,
    topic: String,
    pair: QueuePair,
    dead: DeadLetters,
}

impl DeadLetterFixture {
    async fn new() -> Self {
        let stack = Stack::get().await.unwrap();
        let name = unique("dead");
        let topic = stack.create_topic(&name).await.unwrap();
        let pair = stack.create_queue_pair(&name, 5, VISIBILITY).await.unwrap();
        stack.subscribe(&topic, &pair.arn, Delivery::Raw).await.unwrap();
        let dead = DeadLetters::new(stack.sns(), stack.sqs());
        Self { stack, topic, pair, dead }
    }

    /// The same queues, reached through a gate.
    fn gated(&self, gate: &Gate) -> DeadLetters {
        let config = self.stack.aws_config().into_builder().endpoint_url(gate.url()).build();
        DeadLetters::new(aws_sdk_sns::Client::new(&config), aws_sdk_sqs::Client::new(&config))
    }

    async fn queue(&self) -> DeadLetterQueue {
        let found = self.dead.discover(std::slice::from_ref(&self.topic)).await;
        assert_eq!(found.problems, []);
        found.queues.into_iter().next().unwrap()
    }

    async fn park(&self, bodies: impl IntoIterator<Item = String>, code: &str) {
        let queue = SqsQueue::from_arn(self.stack.sqs(), &self.pair.arn);
        let cause =
            ParkCause { code: code.into(), error: "no such quiz".into(), parked_at: Timestamp::now() };
        for body in bodies {
            let message =
                QueueMessage { body, event_type: Some("session.sync".into()), ..QueueMessage::default() };
            queue.park(&message, &cause).await.unwrap();
        }
    }

    async fn browse(&self) -> BrowseResult<DeadLetter> {
        self.dead.browse(&self.queue().await, &never, |letter, _| Some(letter)).await
    }

    async fn ids(&self) -> HashSet<String> {
        self.browse().await.chosen.into_iter().map(|letter| letter.message_id).collect()
    }

    /// The number of visible messages in the dead-letter queue; asserts that no message is in flight.
    async fn dead_letters(&self) -> u64 {
        let depth = self.stack.queue_depth(&self.pair.dlq_url).await.unwrap();
        assert_eq!(depth, QueueDepth { visible: depth.visible, ..QueueDepth::default() });
        depth.visible
    }

    /// The bodies that came back to the queue, with repeats, sorted.
    async fn replayed(&self) -> Vec<String> {
        let messages = self.stack.drain(&self.pair.url).await.unwrap();
        let mut bodies: Vec<String> = messages.into_iter().filter_map(|message| message.body).collect();
        bodies.sort();
        bodies
    }
}

fn never() -> bool {
    false
}

fn bodies(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("body-{at:03}")).collect()
}

/// Whether a request is a SendMessage; the fields of its body show the action.
fn sends(request: &GateRequest) -> bool {
    has(request, "MessageBody")
}

fn deletes(request: &GateRequest) -> bool {
    has(request, "ReceiptHandle") && !has(request, "Entries")
}

fn receives(request: &GateRequest) -> bool {
    has(request, "MaxNumberOfMessages")
}

fn has(request: &GateRequest, field: &str) -> bool {
    let body: HashMap<String, serde_json::Value> = serde_json::from_slice(&request.body).unwrap_or_default();
    body.contains_key(field)
}

fn denied() -> Action {
    let body = r#"{"__type":"com.amazonaws.sqs#AccessDenied","message":"not yours"}"#.to_owned();
    Action::Reply { status: 403, content_type: "application/x-amz-json-1.0", body }
}

#[tokio::test]
async fn dead_letter_queues_of_topics_are_found() {
    let fixture = DeadLetterFixture::new().await;
    let (stack, name) = (fixture.stack, unique("other"));
    let other = stack.create_queue_pair(&name, 3, VISIBILITY).await.unwrap();
    let undelivered = stack.create_queue_pair(&unique("undelivered"), 3, VISIBILITY).await.unwrap();
    let subscription = stack.subscribe(&fixture.topic, &other.arn, Delivery::Envelope).await.unwrap();
    let policy = format!(r#"{{"deadLetterTargetArn":"{}"}}"#, undelivered.dlq_arn);
    let request = stack.sns().set_subscription_attributes().subscription_arn(subscription);
    request.attribute_name("RedrivePolicy").attribute_value(policy).send().await.unwrap();
    // a dead-letter queue has no dead-letter queue of its own
    stack.subscribe(&fixture.topic, &undelivered.dlq_arn, Delivery::Raw).await.unwrap();
    let missing = "arn:aws:sns:ap-south-1:000000000000:no-such-topic".to_owned();

    let found = fixture.dead.discover(&[fixture.topic.clone(), missing.clone(), fixture.topic.clone()]).await;
    let problems: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
    assert!(problems[0].contains("has no dead-letter queue: give it a redrive policy"), "{problems:?}");
    assert!(problems[1].starts_with(&format!("cannot read the subscriptions of topic {missing}: ")));
    let shown: Vec<_> = found
        .queues
        .iter()
        .map(|queue| {
            (queue.arn.clone(), queue.url.clone(), queue.sources[0].arn.clone(), queue.sources[0].kind)
        })
        .collect();
    let kind = |max_receive_count| SourceKind::Queue { max_receive_count };
    assert_eq!(
        shown,
        [
            (fixture.pair.dlq_arn.clone(), fixture.pair.dlq_url.clone(), fixture.pair.arn.clone(), kind(5)),
            (other.dlq_arn.clone(), other.dlq_url.clone(), other.arn.clone(), kind(3)),
            (
                undelivered.dlq_arn.clone(),
                undelivered.dlq_url.clone(),
                other.arn.clone(),
                SourceKind::Subscription
            ),
        ]
    );
    assert!(found.queues.iter().all(|queue| queue.sources.len() == 1), "each once");
}

#[tokio::test]
async fn browsed_messages_are_seen_once_and_stay_visible() {
    let fixture = DeadLetterFixture::new().await;
    fixture.park(bodies(60), "unknown_quiz").await;
    fixture.stack.send_all(&fixture.pair.dlq_url, &bodies(60)).await.unwrap();
    let first = fixture.browse().await;
    assert_eq!((first.chosen.len(), first.coverage.seen), (120, 120));
    let ids: BTreeSet<&String> = first.chosen.iter().map(|letter| &letter.message_id).collect();
    assert_eq!(ids.len(), 120);
    let mut codes = BTreeMap::new();
    for letter in &first.chosen {
        *codes.entry(letter.error_code.as_str()).or_insert(0) += 1;
        assert!(letter.since().is_some() && letter.receives == 1, "{letter:?}");
    }
    assert_eq!(codes, BTreeMap::from([("no_cause", 60), ("unknown_quiz", 60)]));
    assert_eq!(fixture.dead_letters().await, 120);

    // the coverage counts the messages of another consumer
    let request = fixture.stack.sqs().receive_message().queue_url(&fixture.pair.dlq_url);
    let held = request.max_number_of_messages(7).visibility_timeout(600).send().await.unwrap();
    let held = u64::try_from(held.messages().len()).unwrap();
    let second = fixture.browse().await;
    assert_eq!((second.coverage.seen as u64, second.coverage.held_elsewhere), (120 - held, held));
    assert_eq!(fixture.stack.queue_depth(&fixture.pair.dlq_url).await.unwrap().visible, 120 - held);
}

#[tokio::test]
async fn stopped_or_failed_browse_leaves_all_visible() {
    let fixture = DeadLetterFixture::new().await;
    fixture.stack.send_all(&fixture.pair.dlq_url, &bodies(100)).await.unwrap();
    let queue = fixture.queue().await;
    let stop = AtomicBool::new(false);
    let choose = |letter: DeadLetter, _| {
        stop.store(true, Ordering::SeqCst);
        Some(letter)
    };
    let stopped = fixture.dead.browse(&queue, &|| stop.load(Ordering::SeqCst), choose).await;
    assert!(stopped.coverage.stopped && (1..100).contains(&stopped.coverage.seen), "{:?}", stopped.coverage);
    assert_eq!(fixture.dead_letters().await, 100);

    let receipts = AtomicUsize::new(0);
    let rule = move |request: &GateRequest| {
        let late = receives(request) && receipts.fetch_add(1, Ordering::SeqCst) >= 6;
        if late { denied() } else { Action::Forward }
    };
    let gate = Gate::start(fixture.stack.aws_endpoint(), rule).unwrap();
    let failed = fixture.gated(&gate).browse(&queue, &never, |letter, _| Some(letter)).await;
    assert_eq!(failed.chosen.len(), 60, "the messages received before the failure");
    assert!(failed.coverage.trouble.unwrap().to_string().ends_with("AccessDenied: not yours"));
    assert_eq!(fixture.dead_letters().await, 100);
}

#[tokio::test]
async fn replayed_message_equals_the_original() {
    let fixture = DeadLetterFixture::new().await;
    let body = "{\"session_id\": \"ä 🙂\\u0000\",\n\"quiz_id\": 1}";
    let mut request = fixture.stack.sqs().send_message().queue_url(&fixture.pair.dlq_url).message_body(body);
    let value = |kind: &str| MessageAttributeValue::builder().data_type(kind);
    for (name, text) in [
        ("type", "session.sync"),
        ("error_code", "invalid_field"),
        ("error", "no quiz"),
        ("parked_at", "now"),
    ] {
        request = request.message_attributes(name, value("String").string_value(text).build().unwrap());
    }
    request = request.message_attributes("try", value("Number").string_value("3").build().unwrap());
    let bytes = Blob::new([0_u8, 255]);
    request = request.message_attributes("raw", value("Binary").binary_value(bytes.clone()).build().unwrap());
    request.send().await.unwrap();
    fixture.park(["not chosen".to_owned()], "other").await;

    let queue = fixture.queue().await;
    let (letter, content) = fixture
        .dead
        .browse(&queue, &never, |letter, content| {
            (letter.error_code == "invalid_field").then_some((letter, content))
        })
        .await
        .chosen
        .remove(0);
    assert_eq!((content.body.as_str(), content.attributes["raw"].as_str()), (body, "(2 bytes)"));
    let acted = replay(&fixture.dead, &queue, &HashSet::from([letter.message_id.clone()])).await;
    assert_eq!((acted.done.as_slice(), acted.remaining), ([letter.message_id].as_slice(), 0));
    let back: Vec<Message> = fixture.stack.drain(&fixture.pair.url).await.unwrap();
    assert_eq!((back.len(), back[0].body()), (1, Some(body)));
    let attributes: BTreeMap<_, _> = back[0].message_attributes().unwrap().iter().collect();
    assert_eq!(attributes.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["raw", "try", "type"]);
    assert_eq!(attributes[&"raw".to_owned()].binary_value(), Some(&bytes));
    assert_eq!(attributes[&"try".to_owned()].data_type(), "Number");
    assert_eq!(fixture.dead_letters().await, 1);
}

async fn replay(dead: &DeadLetters, queue: &DeadLetterQueue, chosen: &HashSet<String>) -> ActionReport {
    dead.act(queue, chosen, DeadLetterAction::Replay, &Pace::unlimited(), &never, &|| ()).await
}

#[tokio::test]
async fn failed_replay_neither_loses_nor_repeats_messages() {
    let fixture = DeadLetterFixture::new().await;
    fixture.park(bodies(20), "unknown_quiz").await;
    let (queue, all) = (fixture.queue().await, fixture.ids().await);
    let (sent, deleted) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let rule = move |request: &GateRequest| {
        if sends(request) {
            return match sent.fetch_add(1, Ordering::SeqCst) {
                0 => Action::CutAfterForwarding,
                1 => Action::Cut,
                _ => Action::Forward,
            };
        }
        if deletes(request) && deleted.fetch_add(1, Ordering::SeqCst) == 0 {
            denied()
        } else {
            Action::Forward
        }
    };
    let gate = Gate::start(fixture.stack.aws_endpoint(), rule).unwrap();
    let acted = replay(&fixture.gated(&gate), &queue, &all).await;
    assert_eq!((acted.done.len(), acted.failed.len(), acted.not_found.len()), (17, 3, 0));
    let not_sent = acted.failed.iter().filter(|(_, error)| matches!(error, ActError::NotSent(_)));
    assert_eq!(not_sent.count(), 2);
    assert_eq!(fixture.dead_letters().await, 3);
    let first = fixture.replayed().await;
    assert_eq!(first.len(), 19, "all but the one that was cut");
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 19, "none twice");

    let failed: HashSet<String> = acted.failed.into_iter().map(|(id, _)| id).collect();
    assert_eq!(replay(&fixture.dead, &queue, &failed).await.done.len(), 3);
    assert_eq!(fixture.dead_letters().await, 0);
    let mut both: Vec<String> = [first, fixture.replayed().await].concat();
    both.sort();
    both.dedup();
    assert_eq!(both, bodies(20));
}

#[tokio::test]
async fn stopped_replay_can_be_continued() {
    let fixture = DeadLetterFixture::new().await;
    fixture.park(bodies(30), "unknown_quiz").await;
    let (queue, all) = (fixture.queue().await, fixture.ids().await);
    let done = AtomicUsize::new(0);
    let each = || {
        done.fetch_add(1, Ordering::SeqCst);
    };
    let stop = || done.load(Ordering::SeqCst) >= 7;
    let pace = Pace::per_second(NonZeroU32::new(100).unwrap());
    let acted = fixture.dead.act(&queue, &all, DeadLetterAction::Replay, &pace, &stop, &each).await;
    assert!(acted.coverage.stopped && (7..30).contains(&acted.done.len()), "{acted:?}");
    assert_eq!(acted.done.len() + acted.remaining, 30);
    assert_eq!(fixture.dead_letters().await, acted.remaining as u64);
    let first = fixture.replayed().await;
    assert_eq!(first.len(), acted.done.len());

    // messages of the first replay are not found
    let again = replay(&fixture.dead, &queue, &all).await;
    assert_eq!((again.done.len(), again.not_found.len()), (acted.remaining, first.len()));
    let mut both: Vec<String> = [first, fixture.replayed().await].concat();
    both.sort();
    assert_eq!(both, bodies(30));
}

#[tokio::test]
async fn only_chosen_messages_are_dropped() {
    let fixture = DeadLetterFixture::new().await;
    fixture.park(bodies(12), "unknown_quiz").await;
    fixture.park(["kept".to_owned()], "ranking_failed").await;
    let letters = fixture.browse().await.chosen;
    let chosen = letters.iter().filter(|letter| letter.error_code == "unknown_quiz");
    let chosen: HashSet<String> = chosen.map(|letter| letter.message_id.clone()).collect();
    let queue = fixture.queue().await;
    let acted =
        fixture.dead.act(&queue, &chosen, DeadLetterAction::Drop, &Pace::unlimited(), &never, &|| ()).await;
    assert_eq!((acted.done.len(), acted.failed.len()), (12, 0));
    assert_eq!(fixture.dead_letters().await, 1);
    assert_eq!(fixture.replayed().await, Vec::<String>::new());
}

#[tokio::test]
async fn message_with_ambiguous_source_is_not_replayed() {
    let fixture = DeadLetterFixture::new().await;
    let stack = fixture.stack;
    let sharing = stack.create_queue_pair(&unique("sharing"), 5, VISIBILITY).await.unwrap();
    let policy = format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":1}}"#, fixture.pair.dlq_arn);
    let request = stack.sqs().set_queue_attributes().queue_url(&sharing.url);
    request.attributes(QueueAttributeName::RedrivePolicy, policy).send().await.unwrap();
    stack.subscribe(&fixture.topic, &sharing.arn, Delivery::Raw).await.unwrap();
    // the first receive uses up the count, so the second one moves the message to the dead-letter queue
    stack.send_all(&sharing.url, &["given up".to_owned()]).await.unwrap();
    for expected in [1, 0] {
        let received =
            stack.sqs().receive_message().queue_url(&sharing.url).visibility_timeout(0).send().await;
        assert_eq!(received.unwrap().messages().len(), expected);
    }
    fixture.park(["parked by one of them".to_owned()], "unknown_quiz").await;

    let letters = fixture.browse().await.chosen;
    let given_up = letters.iter().find(|letter| letter.error_code == "receives_exhausted").unwrap();
    assert!(given_up.error.contains("gave the message up after 1 receives"), "{}", given_up.error);
    let acted = replay(&fixture.dead, &fixture.queue().await, &fixture.ids().await).await;
    assert_eq!(acted.done, std::slice::from_ref(&given_up.message_id));
    assert!(matches!(acted.failed[0].1, ActError::NoSource(NoSource::Ambiguous(_))), "{:?}", acted.failed);
    assert_eq!(fixture.dead_letters().await, 1);
    let back = stack.drain(&sharing.url).await.unwrap();
    assert_eq!((back.len(), back[0].body()), (1, Some("given up")));
}
