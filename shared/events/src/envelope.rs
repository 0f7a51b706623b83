use jiff::Timestamp;
use serde::Deserialize;
use std::collections::HashMap;

use crate::error::EventError;
use crate::event::{Event, parse_by};
use crate::session_clock::SessionClock;

/// The most nested notifications that are unwrapped.
const MOST_ENVELOPES: usize = 3;

/// One message of an SQS queue, as a consumer received it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueMessage {
    /// SQS's id of the message; a redelivered message has the same id.
    pub message_id: String,
    /// The handle of this receive, to delete the message or change its visibility.
    pub receipt_handle: String,
    /// The text as sent: an event, a notice, or SNS's notification around one of them.
    pub body: String,
    /// The message attribute `type`, if the sender set it.
    pub event_type: Option<String>,
    /// When SQS took the message in (`SentTimestamp`).
    pub sent_at: Option<Timestamp>,
    /// How often the message was received, including this time; at least 1.
    pub receive_count: u32,
    /// How its sender writes the times of a description.
    pub session_clock: SessionClock,
}

/// The fields of SNS's notification that are read.
#[derive(Deserialize)]
pub(crate) struct Notification {
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(rename = "TopicArn")]
    _topic: String,
    #[serde(rename = "MessageId", default)]
    pub message_id: Option<String>,
    #[serde(rename = "Subject", default)]
    pub subject: Option<String>,
    #[serde(rename = "Message")]
    pub message: String,
    #[serde(rename = "MessageAttributes", default)]
    attributes: HashMap<String, Attribute>,
}

#[derive(Deserialize)]
pub(crate) struct Attribute {
    #[serde(rename = "Value")]
    value: String,
}

impl QueueMessage {
    /// Parses the event of the message. The body is the raw event, or SNS's notification around it. Up to three
    /// notifications can be nested, because a topic can forward the messages of another topic.
    ///
    /// # Errors
    /// [`EventError`] as for [`parse_by`]; a retry cannot help.
    pub fn event(&self) -> Result<Event, EventError> {
        let (mut body, mut event_type) = (self.body.clone(), self.event_type.clone());
        for _ in 0..MOST_ENVELOPES {
            match serde_json::from_str::<Notification>(&body) {
                Ok(notification) if notification.kind == "Notification" => {
                    let attribute =
                        notification.attributes.get("type").map(|attribute| attribute.value.clone());
                    (body, event_type) = (notification.message, attribute.or(event_type));
                }
                _ => break,
            }
        }
        parse_by(self.session_clock, &body, event_type.as_deref())
    }
}
