//! JSON messages of other AWS services, recognized by their own fields. So the cause of a parked message names the
//! service, and not the missing field of an event.

use serde_json::{Map, Value};

/// Characters of the longest name; longer names are cut.
const LONGEST: usize = 80;

/// A message of another service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// EventBridge's envelope; its `detail` may hold an event of ours.
    EventBridge { detail_type: String, detail: Option<Map<String, Value>> },
    /// Any other message, as a text for people.
    Other(String),
}

impl Foreign {
    /// Recognizes the message of another service; `None` if no known service sent it.
    pub fn detect(fields: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let cut = |text: &str| text.chars().take(LONGEST).collect::<String>();
        if let (Some(detail_type), true) = (text("detail-type"), fields.contains_key("detail")) {
            let detail = fields.get("detail").and_then(Value::as_object).cloned();
            return Some(Self::EventBridge { detail_type: cut(detail_type), detail });
        }
        if let Some(kind @ ("SubscriptionConfirmation" | "UnsubscribeConfirmation")) = text("Type")
            && fields.contains_key("TopicArn")
        {
            return Some(Self::Other(format!("a {kind} of SNS, which waits for a confirmation")));
        }
        if let (Some(service), Some(event)) = (text("Service"), text("Event")) {
            return Some(Self::Other(format!("a test event of {} ({})", cut(service), cut(event))));
        }
        if let (Some(alarm), true) = (text("AlarmName"), fields.contains_key("NewStateValue")) {
            return Some(Self::Other(format!("the alarm {:?} of CloudWatch", cut(alarm))));
        }
        let source = fields.get("Records")?.get(0)?;
        let source = source.get("eventSource").or_else(|| source.get("EventSource"))?.as_str()?;
        Some(Self::Other(format!("a list of records of {}", cut(source))))
    }
}
