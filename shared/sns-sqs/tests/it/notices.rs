//! Notices to a topic of the local stack, and to topics that are missing or do not answer.

use std::time::Duration;

use jiff::Timestamp;
use quiz_events::{MessagesParked, Notice, NoticeKind, NoticeMessage, Notices, QueueMessage};
use quiz_sns_sqs::SnsNotices;
use quiz_stack::{Action, Delivery, Gate, Stack, unique};

fn notices(count: usize) -> Vec<Notice> {
    let parked =
        |number: usize| MessagesParked { error: format!("error {number}"), ..MessagesParked::default() };
    let kind = |number| NoticeKind::MessagesParked(parked(number));
    let notice = |number| Notice::new(format!("n{number}"), Timestamp::UNIX_EPOCH, kind(number));
    (0..count).map(notice).collect()
}

#[tokio::test]
async fn notices_arrive_with_the_commit_of_their_sender() {
    let stack = Stack::get().await.unwrap();
    let name = unique("sync-notices");
    let topic = stack.create_topic(&name).await.unwrap();
    let queue = stack.create_queue_pair(&name, 5, Duration::from_mins(1)).await.unwrap();
    stack.subscribe(&topic, &queue.arn, Delivery::Envelope).await.unwrap();
    let sent = notices(23);
    let client = aws_sdk_sns::Client::new(&stack.aws_config());
    SnsNotices::new(client, topic, Some("0123456789abcdef")).send(sent.clone()).await;
    let received = stack.wait_for_messages(&queue.url, 23, Duration::from_mins(1)).await.unwrap();
    let mut read: Vec<Notice> = received
        .iter()
        .map(|message| {
            let body = message.body().unwrap().to_owned();
            match (QueueMessage { body, ..QueueMessage::default() }).notice() {
                NoticeMessage::Notice(notice) => *notice,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    read.sort_by_key(|notice| notice.id.trim_start_matches('n').parse::<u32>().unwrap());
    let commit = Some("0123456789abcdef".to_owned());
    let expected = sent.into_iter().map(|notice| Notice { commit: commit.clone(), ..notice });
    assert_eq!(read, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn silent_or_missing_topic_is_given_up() {
    let stack = Stack::get().await.unwrap();
    let gate = Gate::start(stack.aws_endpoint(), |_| Action::Hold).unwrap();
    let config = stack.aws_config().into_builder().endpoint_url(gate.url()).build();
    let topic = stack.create_topic(&unique("held")).await.unwrap();
    SnsNotices::new(aws_sdk_sns::Client::new(&config), topic, None).send(notices(3)).await;
    assert!(gate.held() > 0);
    let missing = "arn:aws:sns:ap-south-1:000000000000:no-such-topic".to_owned();
    SnsNotices::new(aws_sdk_sns::Client::new(&stack.aws_config()), missing, None).send(notices(3)).await;
}
