//! Events to a topic of the local stack, directly and through a gate that fails requests.

use std::time::Duration;

use quiz_events::{PublishError, RequestTopic, SessionTarget, SyncRequest};
use quiz_sns_sqs::EventTopic;
use quiz_stack::{Action, Delivery, Gate, QueuePair, Stack, unique};

const TIMEOUT: Duration = Duration::from_mins(1);

/// A topic that feeds one queue.
struct TopicFixture {
    stack: &'static Stack,
    topic: String,
    queue: QueuePair,
}

impl TopicFixture {
    async fn new() -> Self {
        let stack = Stack::get().await.unwrap();
        let name = unique("events");
        let topic = stack.create_topic(&name).await.unwrap();
        let queue = stack.create_queue_pair(&name, 5, Duration::from_mins(5)).await.unwrap();
        stack.subscribe(&topic, &queue.arn, Delivery::Raw).await.unwrap();
        Self { stack, topic, queue }
    }

    /// The topic, reached through a gate.
    fn gated_topic(&self, gate: &Gate) -> EventTopic {
        let config = self.stack.aws_config().into_builder().endpoint_url(gate.url()).build();
        EventTopic::new(aws_sdk_sns::Client::new(&config), self.topic.clone())
    }

    /// Receives `count` messages: their bodies and types, sorted.
    async fn received(&self, count: usize) -> Vec<(String, String)> {
        let messages = self.stack.wait_for_messages(&self.queue.url, count, TIMEOUT).await.unwrap();
        let read = messages.iter().map(|message| {
            let kind = &message.message_attributes().unwrap()["type"];
            (message.body().unwrap().to_owned(), kind.string_value().unwrap().to_owned())
        });
        let mut read: Vec<_> = read.collect();
        read.sort();
        read
    }
}

fn requests(count: usize) -> Vec<SyncRequest> {
    let request = |at| {
        let target = SessionTarget { session_id: format!("group_{at:02}"), quiz_id: format!("{at:02}") };
        SyncRequest { targets: vec![target], ..SyncRequest::default() }
    };
    (0..count).map(request).collect()
}

fn body(request: &SyncRequest) -> String {
    request.to_json().to_string()
}

#[tokio::test]
async fn events_arrive_with_their_type_in_batches() {
    let fixture = TopicFixture::new().await;
    let gate = Gate::start(fixture.stack.aws_endpoint(), |_| Action::Forward).unwrap();
    let results = fixture.gated_topic(&gate).publish(&requests(23)).await;
    assert_eq!(results, vec![Ok(()); 23]);
    assert_eq!(gate.requests().len(), 3);
    let sent = requests(23);
    let expected: Vec<_> = sent.iter().map(|request| (body(request), "session.sync".to_owned())).collect();
    assert_eq!(fixture.received(23).await, expected);
}

#[tokio::test]
async fn failed_event_is_resent_and_refused_event_reported() {
    const PARTLY: &str = "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult>\
        <Successful><member><Id>0</Id><MessageId>m</MessageId></member></Successful><Failed>\
        <member><Id>1</Id><Code>InternalError</Code><SenderFault>false</SenderFault></member>\
        <member><Id>2</Id><Code>InvalidParameter</Code><Message>no</Message><SenderFault>true</SenderFault></member>\
        </Failed></PublishBatchResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishBatchResponse>";
    let fixture = TopicFixture::new().await;
    let gate = Gate::start(fixture.stack.aws_endpoint(), |request| match request.index {
        0 => Action::Reply { status: 200, content_type: "text/xml", body: PARTLY.to_owned() },
        _ => Action::Forward,
    });
    let gate = gate.unwrap();
    let results = fixture.gated_topic(&gate).publish(&requests(3)).await;
    let refused =
        PublishError::Refused { topic: fixture.topic.clone(), cause: "InvalidParameter: no".into() };
    assert_eq!(results, [Ok(()), Ok(()), Err(refused)]);
    assert_eq!(gate.requests().len(), 2, "only the event with a transient failure was sent again");
    assert_eq!(fixture.received(1).await[0].0, body(&requests(2)[1]));
}

#[tokio::test]
async fn missing_topic_is_refused_without_retry() {
    let fixture = TopicFixture::new().await;
    let gate = Gate::start(fixture.stack.aws_endpoint(), |_| Action::Forward).unwrap();
    let config = fixture.stack.aws_config().into_builder().endpoint_url(gate.url()).build();
    let missing = format!("{}-not-there", fixture.topic);
    let topic = EventTopic::new(aws_sdk_sns::Client::new(&config), missing.clone());
    let results = topic.publish(&requests(2)).await;
    assert!(results.iter().all(|result| matches!(result, Err(PublishError::Refused { .. }))), "{results:?}");
    assert!(results[0].as_ref().unwrap_err().to_string().contains(&missing));
    assert_eq!(gate.requests().len(), 1);
}
