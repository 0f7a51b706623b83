use std::collections::{BTreeMap, HashMap};

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use jiff::Timestamp;
use quiz_events::{Event, NoticeMessage, QueueMessage};
use serde_json::Value;

use super::DeadLetterQueue;
use crate::attributes::{CODE, ERROR, PARKED_AT, TYPE};

/// Attributes that SNS sets on a message that it could not deliver.
pub(super) const SNS_CODE: &str = "ErrorCode";
pub(super) const SNS_ERROR: &str = "ErrorMessage";
pub(super) const SNS_REQUEST: &str = "RequestID";

/// The code of a message that SQS moved by the queue's redrive policy.
const RECEIVES_EXHAUSTED: &str = "receives_exhausted";
/// The code of a message that SNS could not deliver.
const NOT_DELIVERED: &str = "not_delivered";
/// The code of a message without any attribute about its cause.
const NO_CAUSE: &str = "no_cause";

/// A message in a dead-letter queue, without its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetter {
    pub message_id: String,
    /// The dead-letter queue's name.
    pub queue: String,
    /// The code of the cause that the message was parked with; else `receives_exhausted`, `not_delivered` or `no_cause`.
    pub error_code: String,
    /// One sentence.
    pub error: String,
    pub parked_at: Option<Timestamp>,
    /// The time of the send to the dead-letter queue if the message was parked, else of the send to its first queue.
    pub sent_at: Option<Timestamp>,
    pub first_received_at: Option<Timestamp>,
    /// All receives, with those of this scan.
    pub receives: u32,
    /// The ARN of the queue that SQS moved the message from, if SQS names it.
    pub source_arn: Option<String>,
    /// `quiz.completed`, `session.sync`, a notice's type, or the value of the attribute `type`.
    pub event_type: Option<String>,
    /// The test sessions that the body names; empty if the body is unreadable.
    pub session_ids: Vec<String>,
}

/// The content of a message in a dead-letter queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The message attributes; a binary value is replaced by its length.
    pub attributes: BTreeMap<String, String>,
    pub body: String,
}

impl DeadLetter {
    /// The time when the message was parked, or sent if that time is unknown.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        self.parked_at.or(self.sent_at)
    }
}

impl Content {
    /// The published text: the body, or the message inside the body's SNS notification.
    #[must_use]
    pub fn published(&self) -> String {
        let envelope = serde_json::from_str::<Value>(&self.body).ok();
        let is_notification = |envelope: &Value| {
            envelope.get("Type").and_then(Value::as_str) == Some("Notification")
                && envelope.get("TopicArn").is_some()
        };
        let notification = envelope.filter(is_notification);
        let message = notification.as_ref().and_then(|notification| notification.get("Message")?.as_str());
        message.unwrap_or(&self.body).to_owned()
    }
}

/// Reads a message that was received from `queue`.
pub(super) fn read(message: Message, queue: &DeadLetterQueue) -> (DeadLetter, Content) {
    let system = message.attributes.unwrap_or_default();
    let system =
        |name: MessageSystemAttributeName| system.get(&name).filter(|value| !value.is_empty()).cloned();
    let time = |name| {
        let milliseconds = system(name)?.parse().ok()?;
        Timestamp::from_millisecond(milliseconds).ok()
    };
    let attributes = texts(message.message_attributes.unwrap_or_default());
    let content = Content { attributes, body: message.body.unwrap_or_default() };
    let source_arn = system(MessageSystemAttributeName::DeadLetterQueueSourceArn);
    let (error_code, error) = cause(&content.attributes, source_arn.as_deref(), queue);
    let (event_type, session_ids) = type_and_sessions(&content);
    let receives = system(MessageSystemAttributeName::ApproximateReceiveCount);
    let letter = DeadLetter {
        message_id: message.message_id.unwrap_or_default(),
        queue: queue.name.clone(),
        error_code,
        error,
        parked_at: content.attributes.get(PARKED_AT).and_then(|time| time.parse().ok()),
        sent_at: time(MessageSystemAttributeName::SentTimestamp),
        first_received_at: time(MessageSystemAttributeName::ApproximateFirstReceiveTimestamp),
        receives: receives.and_then(|count| count.parse().ok()).unwrap_or_default(),
        source_arn,
        event_type,
        session_ids,
    };
    (letter, content)
}

fn texts(attributes: HashMap<String, MessageAttributeValue>) -> BTreeMap<String, String> {
    let text = |value: MessageAttributeValue| match (value.string_value, value.binary_value) {
        (Some(text), _) => text,
        (None, Some(bytes)) => format!("({} bytes)", bytes.as_ref().len()),
        (None, None) => String::new(),
    };
    attributes.into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// The code and the sentence of the cause: from the attributes of a parked message, else from the attributes of SNS,
/// else from the queue that SQS names as the source.
fn cause(
    attributes: &BTreeMap<String, String>,
    source_arn: Option<&str>,
    queue: &DeadLetterQueue,
) -> (String, String) {
    if let Some(code) = attributes.get(CODE) {
        let error = attributes.get(ERROR).cloned();
        return (
            code.clone(),
            error.unwrap_or_else(|| "the message had no room for the error text next to its body".into()),
        );
    }
    if let Some(code) = attributes.get(SNS_CODE) {
        let error = attributes.get(SNS_ERROR).unwrap_or(code);
        return (NOT_DELIVERED.into(), format!("SNS could not deliver the message: {error}"));
    }
    let Some(arn) = source_arn else {
        let error = "the message has no cause: a person sent it here, or its body left no room for a cause";
        return (NO_CAUSE.into(), error.into());
    };
    let exhausted = match queue.redrive_source(arn) {
        Some((source, receives)) => {
            format!("the queue {} gave the message up after {receives} receives", source.name)
        }
        None => format!("the queue {arn} gave the message up"),
    };
    (RECEIVES_EXHAUSTED.into(), format!("{exhausted}; the log of its function has the cause"))
}

/// The type of the message in the body, and the test sessions that it names.
fn type_and_sessions(content: &Content) -> (Option<String>, Vec<String>) {
    let attribute = content.attributes.get(TYPE).cloned();
    let message =
        QueueMessage { body: content.body.clone(), event_type: attribute.clone(), ..QueueMessage::default() };
    if let Ok(event) = message.event() {
        let kind = match event {
            Event::QuizCompleted(_) => "quiz.completed",
            Event::SessionSync(_) => "session.sync",
            Event::SessionChanged(change) => change.action.as_str(),
        };
        let sessions = event.targets().iter().map(|target| target.session_id.clone()).collect();
        return (Some(kind.to_owned()), sessions);
    }
    match message.notice() {
        NoticeMessage::Notice(notice) => (Some(notice.kind.name().to_owned()), Vec::new()),
        NoticeMessage::Alarm(_) => (Some("alarm".to_owned()), Vec::new()),
        NoticeMessage::Other(_) => {
            let fields: Value = serde_json::from_str(&content.published()).unwrap_or_default();
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let kind =
                attribute.or_else(|| fields.get("type").or_else(|| fields.get("event")).and_then(text));
            let many = fields.get("session_ids").and_then(Value::as_array).into_iter().flatten();
            (kind, fields.get("session_id").into_iter().chain(many).filter_map(text).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};

    use super::{Content, DeadLetter, read};
    use crate::dead_letters::{DeadLetterQueue, Source, SourceKind};

    const QUIZ: &str = "6715f621e1eb083bfa9b56cc";

    fn letter(body: &str, attributes: &[(&str, &str)], source_arn: Option<&str>) -> (DeadLetter, Content) {
        let kind = SourceKind::Queue { max_receive_count: 5 };
        let source = Source { name: "reports".into(), url: String::new(), arn: "arn:reports".into(), kind };
        let queue = DeadLetterQueue {
            name: "reports-dlq".into(),
            url: String::new(),
            arn: String::new(),
            sources: vec![source],
        };
        let mut message = Message::builder()
            .message_id("m1")
            .body(body)
            .attributes(MessageSystemAttributeName::SentTimestamp, "1700000000000")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "7");
        for (name, value) in attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(*value);
            message = message.message_attributes(*name, value.build().unwrap());
        }
        if let Some(arn) = source_arn {
            message = message.attributes(MessageSystemAttributeName::DeadLetterQueueSourceArn, arn);
        }
        read(message.build(), &queue)
    }

    #[test]
    fn parked_message_has_its_cause_and_sessions() {
        let body = format!(
            r#"{{"type":"quiz.completed","session_id":"A_{QUIZ}","completed_at":"2024-04-30T18:15:00Z"}}"#
        );
        let parked = [
            ("error_code", "unknown_quiz"),
            ("error", "there is no quiz"),
            ("parked_at", "2026-11-21T08:36:04Z"),
        ];
        let envelope =
            serde_json::json!({"Type": "Notification", "TopicArn": "t", "Message": body}).to_string();
        for form in [&body, &envelope] {
            let (letter, content) = letter(form, &parked, None);
            assert_eq!((&*letter.error_code, &*letter.error), ("unknown_quiz", "there is no quiz"));
            assert_eq!(letter.since().unwrap().to_string(), "2026-11-21T08:36:04Z");
            assert_eq!(letter.sent_at.unwrap().as_millisecond(), 1_700_000_000_000);
            assert_eq!(letter.event_type.as_deref(), Some("quiz.completed"));
            assert_eq!((letter.session_ids, letter.receives), (vec![format!("A_{QUIZ}")], 7));
            assert_eq!(content.published(), body);
        }
    }

    #[test]
    fn unparked_message_names_the_service_that_moved_it() {
        let (exhausted, _) = letter("x", &[], Some("arn:reports"));
        assert_eq!(exhausted.error_code, "receives_exhausted");
        assert_eq!(
            exhausted.error,
            "the queue reports gave the message up after 5 receives; the log of its function has the cause"
        );
        let (unknown, _) = letter("x", &[], Some("arn:other"));
        assert!(unknown.error.starts_with("the queue arn:other gave the message up;"), "{}", unknown.error);
        let (undelivered, _) = letter("x", &[("ErrorCode", "403"), ("ErrorMessage", "access denied")], None);
        assert_eq!(undelivered.error_code, "not_delivered");
        assert_eq!(undelivered.error, "SNS could not deliver the message: access denied");
        assert_eq!(letter("x", &[], None).0.error_code, "no_cause");
    }

    #[test]
    fn type_and_sessions_are_read_from_malformed_events() {
        let (unknown, _) = letter(r#"{"session_id":"no quiz in it"}"#, &[("type", "session.sync")], None);
        assert_eq!(unknown.event_type.as_deref(), Some("session.sync"));
        assert_eq!(unknown.session_ids, ["no quiz in it"]);
        let (dance, _) = letter(r#"{"type":"dance","session_ids":["a",1,"b"]}"#, &[], None);
        assert_eq!((dance.event_type.as_deref(), dance.session_ids.len()), (Some("dance"), 2));
        let (alarm, _) = letter(r#"{"AlarmName":"deep","NewStateValue":"ALARM"}"#, &[], None);
        assert_eq!(alarm.event_type.as_deref(), Some("alarm"));
        let (text, content) = letter("not an id", &[], None);
        assert_eq!((text.event_type, text.session_ids.len()), (None, 0));
        assert_eq!(content.published(), "not an id");
    }
}
