//! The SQS entry of a Lambda: its events served, and read as messages.

use std::time::{Duration, SystemTime};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage, SqsMessageAttribute};
use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use quiz_events::QueueMessage;
use tokio::time::Instant;

const SENT: &str = "SentTimestamp";
const RECEIVES: &str = "ApproximateReceiveCount";
const TYPE: &str = "type";

/// Answers Lambda's events until the process ends: each is handled before the deadline that comes with it.
///
/// # Errors
/// Where the Lambda runtime cannot be reached.
pub async fn serve<H, F>(handle: H) -> Result<(), Error>
where
    H: Fn(SqsEvent, Instant) -> F,
    F: Future<Output = SqsBatchResponse>,
{
    let handle = &handle;
    let answer = |event: LambdaEvent<SqsEvent>| async move {
        let deadline = deadline(event.context.deadline());
        Ok::<_, Error>(handle(event.payload, deadline).await)
    };
    lambda_runtime::run(service_fn(answer)).await
}

/// The event's messages by the ARN of the queue that they came from, in order.
#[must_use]
pub fn by_queue(event: SqsEvent) -> Vec<(String, Vec<QueueMessage>)> {
    let mut queues: Vec<(String, Vec<QueueMessage>)> = Vec::new();
    for record in event.records {
        let arn = record.event_source_arn.clone().unwrap_or_default();
        let message = message(record);
        match queues.iter_mut().find(|(known, _)| *known == arn) {
            Some((_, messages)) => messages.push(message),
            None => queues.push((arn, vec![message])),
        }
    }
    queues
}

fn message(record: SqsMessage) -> QueueMessage {
    let sent_at = record.attributes.get(SENT).and_then(|it| it.parse().ok());
    let receives = record.attributes.get(RECEIVES).and_then(|it| it.parse().ok());
    QueueMessage {
        message_id: record.message_id.unwrap_or_default(),
        receipt_handle: record.receipt_handle.unwrap_or_default(),
        body: record.body.unwrap_or_default(),
        event_type: record.message_attributes.get(TYPE).and_then(|it| it.string_value.clone()),
        sent_at: sent_at.and_then(|millis| Timestamp::from_millisecond(millis).ok()),
        receive_count: receives.unwrap_or(1),
        ..QueueMessage::default()
    }
}

/// An event as Lambda makes it of messages that it received from a queue.
#[must_use]
pub fn event(messages: Vec<QueueMessage>, queue_arn: &str) -> SqsEvent {
    let mut event = SqsEvent::default();
    event.records = messages.into_iter().map(|it| record(it, queue_arn)).collect();
    event
}

fn record(message: QueueMessage, queue_arn: &str) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = Some(message.message_id);
    record.receipt_handle = Some(message.receipt_handle);
    record.body = Some(message.body);
    record.event_source_arn = Some(queue_arn.to_owned());
    record.attributes.insert(RECEIVES.to_owned(), message.receive_count.to_string());
    if let Some(sent_at) = message.sent_at {
        record.attributes.insert(SENT.to_owned(), sent_at.as_millisecond().to_string());
    }
    if let Some(name) = message.event_type {
        let mut attribute = SqsMessageAttribute::default();
        attribute.string_value = Some(name);
        attribute.data_type = Some("String".to_owned());
        record.message_attributes.insert(TYPE.to_owned(), attribute);
    }
    record
}

/// The answer that keeps these messages in the queue (`ReportBatchItemFailures`). A message without an
/// id cannot be kept alone: its empty identifier keeps the whole batch, which loses nothing.
#[must_use]
pub fn response(failed: Vec<String>) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failed
        .into_iter()
        .map(|id| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            failure
        })
        .collect();
    response
}

/// The function's deadline on tokio's clock.
#[must_use]
pub fn deadline(at: SystemTime) -> Instant {
    let left = at.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
    Instant::now() + left
}

#[cfg(test)]
mod tests {
    use super::{by_queue, event, response};
    use aws_lambda_events::sqs::SqsEvent;
    use quiz_events::QueueMessage;

    #[test]
    fn a_record_as_lambda_sends_it_is_read() {
        let event: SqsEvent = serde_json::from_str(
            r#"{"Records":[{"messageId":"m1","receiptHandle":"r1","body":"hello",
                "attributes":{"ApproximateReceiveCount":"3","SentTimestamp":"1714500900000"},
                "messageAttributes":{"type":{"stringValue":"session.sync","dataType":"String"}},
                "eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:ap-south-1:1:reports"}]}"#,
        )
        .unwrap();
        let queues = by_queue(event);
        let (arn, messages) = &queues[0];
        assert_eq!(arn, "arn:aws:sqs:ap-south-1:1:reports");
        assert_eq!(messages[0].receive_count, 3);
        assert_eq!(messages[0].event_type.as_deref(), Some("session.sync"));
        assert_eq!(messages[0].sent_at.map(jiff::Timestamp::as_millisecond), Some(1_714_500_900_000));
    }

    #[test]
    fn messages_survive_the_way_there_and_back() {
        let message = QueueMessage {
            message_id: "m".into(),
            receipt_handle: "r".into(),
            body: "b".into(),
            event_type: Some("quiz.completed".into()),
            sent_at: jiff::Timestamp::from_millisecond(5).ok(),
            receive_count: 2,
            ..QueueMessage::default()
        };
        let there = event(vec![message.clone()], "arn");
        assert_eq!(by_queue(there), [("arn".to_owned(), vec![message])]);
    }

    #[test]
    fn a_failed_message_without_id_keeps_the_whole_batch() {
        let failures = response(vec![String::new()]).batch_item_failures;
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].item_identifier, "");
    }
}
