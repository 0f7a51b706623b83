//! Notices on their way to a real topic of the local stack, and to one that does not answer.

use std::time::Duration;

use jiff::Timestamp;
use quiz_events::{MessagesParked, Notice, NoticeKind, NoticeMessage, Notices, QueueMessage};
use quiz_sns_sqs::SnsNotices;
use quiz_stack::{Action, Delivery, Gate, Stack, unique};

fn notices(count: usize) -> Vec<Notice> {
    let parked = |at: usize| MessagesParked { error: format!("error {at}"), ..MessagesParked::default() };
    let kind = |at| NoticeKind::MessagesParked(parked(at));
    let notice = |at| Notice::new(format!("n{at}"), Timestamp::UNIX_EPOCH, kind(at));
    (0..count).map(notice).collect()
}

#[tokio::test]
async fn notices_arrive_as_they_were_sent_with_the_commit_that_sent_them() {
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
    let of_commit = sent.into_iter().map(|notice| Notice { commit: commit.clone(), ..notice });
    assert_eq!(read, of_commit.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_topic_that_does_not_answer_or_is_not_there_is_given_up() {
    let stack = Stack::get().await.unwrap();
    let gate = Gate::start(stack.aws_endpoint(), |_| Action::Hold).unwrap();
    let config = stack.aws_config().into_builder().endpoint_url(gate.url()).build();
    let topic = stack.create_topic(&unique("held")).await.unwrap();
    SnsNotices::new(aws_sdk_sns::Client::new(&config), topic, None).send(notices(3)).await;
    assert!(gate.held() > 0);
    let missing = "arn:aws:sns:ap-south-1:000000000000:no-such-topic".to_owned();
    SnsNotices::new(aws_sdk_sns::Client::new(&stack.aws_config()), missing, None).send(notices(3)).await;
}
