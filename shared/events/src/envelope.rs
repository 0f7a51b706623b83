use jiff::Timestamp;
use serde::Deserialize;
use std::collections::HashMap;

use crate::error::EventError;
use crate::event::{Event, parse_by};
use crate::session_clock::SessionClock;

/// Notifications within each other that are read.
const ENVELOPES: usize = 3;

/// One message of an SQS queue, as a consumer received it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueMessage {
    pub message_id: String,
    /// Names this receipt of the message, to delete it or change its visibility.
    pub receipt_handle: String,
    pub body: String,
    /// The message attribute `type`, where the sender set it.
    pub event_type: Option<String>,
    /// When SQS took the message in (`SentTimestamp`).
    pub sent_at: Option<Timestamp>,
    /// How often the message has been received, this time included; at least 1.
    pub receive_count: u32,
    /// How its sender writes the times of a description.
    pub session_clock: SessionClock,
}

/// SNS's notification, the part that is read.
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
    /// The event within: the body is either the raw message or SNS's notification around it, or around another one:
    /// a topic can forward what another topic sent.
    ///
    /// # Errors
    /// [`EventError`] as of [`parse_by`].
    pub fn event(&self) -> Result<Event, EventError> {
        let (mut body, mut event_type) = (self.body.clone(), self.event_type.clone());
        for _ in 0..ENVELOPES {
            match serde_json::from_str::<Notification>(&body) {
                Ok(notification) if notification.kind == "Notification" => {
                    let attribute = notification.attributes.get("type").map(|it| it.value.clone());
                    (body, event_type) = (notification.message, attribute.or(event_type));
                }
                _ => break,
            }
        }
        parse_by(self.session_clock, &body, event_type.as_deref())
    }
}
