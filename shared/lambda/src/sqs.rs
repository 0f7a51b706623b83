//! The SQS entry point of a Lambda: serves Lambda's events and reads them as messages.

mod handler;
#[cfg(feature = "aws")]
mod serve;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage, SqsMessageAttribute};
use jiff::Timestamp;
use quiz_events::QueueMessage;

pub use handler::{MessageHandler, SqsHandler};
#[cfg(feature = "aws")]
pub use serve::{deadline, serve};

const SENT: &str = "SentTimestamp";
const RECEIVES: &str = "ApproximateReceiveCount";
const TYPE: &str = "type";

/// The event's messages, in order.
#[must_use]
pub fn messages(event: SqsEvent) -> Vec<QueueMessage> {
    event.records.into_iter().map(message).collect()
}

fn message(record: SqsMessage) -> QueueMessage {
    let sent_at = record.attributes.get(SENT).and_then(|millis| millis.parse().ok());
    let receives = record.attributes.get(RECEIVES).and_then(|count| count.parse().ok());
    QueueMessage {
        message_id: record.message_id.unwrap_or_default(),
        receipt_handle: record.receipt_handle.unwrap_or_default(),
        body: record.body.unwrap_or_default(),
        event_type: record.message_attributes.get(TYPE).and_then(|attribute| attribute.string_value.clone()),
        sent_at: sent_at.and_then(|millis| Timestamp::from_millisecond(millis).ok()),
        receive_count: receives.unwrap_or(1),
        ..QueueMessage::default()
    }
}

/// The event that Lambda would make of these messages of a queue.
#[must_use]
pub fn event(messages: Vec<QueueMessage>, queue_arn: &str) -> SqsEvent {
    let mut event = SqsEvent::default();
    event.records = messages.into_iter().map(|message| record(message, queue_arn)).collect();
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

/// The response that keeps these messages in the queue (`ReportBatchItemFailures`). A message without an id has an empty
/// identifier, which makes Lambda keep the whole batch.
fn response(failed: impl IntoIterator<Item = String>) -> SqsBatchResponse {
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

#[cfg(test)]
mod tests {
    use super::{event, messages, response};
    use aws_lambda_events::sqs::SqsEvent;
    use quiz_events::QueueMessage;

    #[test]
    fn lambda_record_is_read() {
        let event: SqsEvent = serde_json::from_str(
            r#"{"Records":[{"messageId":"m1","receiptHandle":"r1","body":"hello",
                "attributes":{"ApproximateReceiveCount":"3","SentTimestamp":"1714500900000"},
                "messageAttributes":{"type":{"stringValue":"session.sync","dataType":"String"}},
                "eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:ap-south-1:1:reports"}]}"#,
        )
        .unwrap();
        let messages = messages(event);
        assert_eq!(messages[0].receive_count, 3);
        assert_eq!(messages[0].event_type.as_deref(), Some("session.sync"));
        assert_eq!(messages[0].sent_at.map(jiff::Timestamp::as_millisecond), Some(1_714_500_900_000));
    }

    #[test]
    fn messages_survive_a_round_trip() {
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
        assert_eq!(there.records[0].event_source_arn.as_deref(), Some("arn"));
        assert_eq!(messages(there), [message]);
    }

    #[test]
    fn failed_message_without_id_keeps_the_batch() {
        let failures = response([String::new()]).batch_item_failures;
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].item_identifier, "");
    }
}
