use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::envelope::{Notification, QueueMessage};
use crate::notice::Notice;

/// A message on the queue of notices.
#[derive(Clone, Debug, PartialEq)]
pub enum NoticeMessage {
    /// A notice of a function or the command.
    Notice(Box<Notice>),
    /// An alarm of CloudWatch.
    Alarm(Alarm),
    /// Any other message.
    Other(OtherMessage),
}

impl NoticeMessage {
    /// The id of the message; a redelivered notice has the same id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Notice(notice) => &notice.id,
            Self::Alarm(alarm) => &alarm.id,
            Self::Other(other) => &other.id,
        }
    }
}

/// A CloudWatch alarm that has changed its state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarm {
    /// The id of the message.
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    /// `ALARM`, `OK` or `INSUFFICIENT_DATA`.
    pub state: String,
    /// CloudWatch's reason for the change.
    pub reason: String,
    pub region: Option<String>,
    /// When the state changed, or when the message was sent.
    pub at: Option<Timestamp>,
}

/// A message that is neither a notice nor an alarm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherMessage {
    /// The id of the message.
    pub id: String,
    /// SNS's subject.
    pub subject: Option<String>,
    /// The message; a JSON object is shown as lines of `name: value`.
    pub text: String,
    /// When the message was sent.
    pub at: Option<Timestamp>,
}

/// The fields of CloudWatch's JSON that are read.
#[derive(Deserialize)]
struct CloudWatchAlarm {
    #[serde(rename = "AlarmName")]
    name: String,
    #[serde(rename = "AlarmDescription", default)]
    description: Option<String>,
    #[serde(rename = "NewStateValue")]
    state: String,
    #[serde(rename = "NewStateReason", default)]
    reason: String,
    #[serde(rename = "Region", default)]
    region: Option<String>,
    #[serde(rename = "StateChangeTime", default)]
    at: Option<String>,
}

impl QueueMessage {
    /// Parses the message as a notice or an alarm; any other message keeps its text. The body is the raw message or SNS's
    /// notification around it.
    #[must_use]
    pub fn notice(&self) -> NoticeMessage {
        let notification = serde_json::from_str::<Notification>(&self.body).ok();
        let notification = notification.filter(|notification| notification.kind == "Notification");
        let (text, id, subject) = match notification {
            Some(sns) => {
                (sns.message, sns.message_id.unwrap_or_else(|| self.message_id.clone()), sns.subject)
            }
            None => (self.body.clone(), self.message_id.clone(), None),
        };
        if let Ok(notice) = serde_json::from_str::<Notice>(&text) {
            return NoticeMessage::Notice(Box::new(notice));
        }
        if let Ok(alarm) = serde_json::from_str::<CloudWatchAlarm>(&text) {
            return NoticeMessage::Alarm(Alarm {
                id,
                name: alarm.name,
                description: alarm.description.filter(|text| !text.trim().is_empty()),
                state: alarm.state,
                reason: alarm.reason,
                region: alarm.region,
                at: alarm.at.and_then(|at| cloudwatch_time(&at)).or(self.sent_at),
            });
        }
        NoticeMessage::Other(OtherMessage { id, subject, text: readable(text), at: self.sent_at })
    }
}

/// Parses a time of CloudWatch, such as `2026-11-21T08:36:04.123+0000`, whose offset has no colon.
fn cloudwatch_time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| text.strip_suffix("+0000").and_then(|utc| format!("{utc}Z").parse().ok()))
}

/// A JSON object as lines of `name: value`; any other text unchanged.
fn readable(text: String) -> String {
    match serde_json::from_str::<HashMap<String, Value>>(&text) {
        Ok(fields) => {
            let shown = |(name, value): (&String, &Value)| match value {
                Value::String(text) => format!("{name}: {text}"),
                other => format!("{name}: {other}"),
            };
            let mut lines: Vec<String> = fields.iter().map(shown).collect();
            lines.sort();
            lines.join("\n")
        }
        Err(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::NoticeMessage;
    use crate::{MessagesParked, Notice, NoticeKind, QueueMessage, Sink};

    fn message(body: &str) -> QueueMessage {
        QueueMessage { message_id: "m".into(), body: body.to_owned(), ..QueueMessage::default() }
    }

    fn enveloped(text: &str, subject: &str) -> QueueMessage {
        let body = serde_json::json!({
            "Type": "Notification", "TopicArn": "t", "MessageId": "sns-1", "Subject": subject, "Message": text,
        });
        message(&body.to_string())
    }

    #[test]
    fn notice_is_read_raw_and_in_its_envelope() {
        let parked =
            MessagesParked { error_code: "not_an_event".into(), messages: 2, ..MessagesParked::default() };
        let kind = NoticeKind::MessagesParked(parked);
        let notice = Notice::new("n", Timestamp::UNIX_EPOCH, kind);
        let text = serde_json::to_string(&notice).unwrap();
        assert!(text.contains(r#""type":"messages.parked""#), "{text}");
        for read in [message(&text).notice(), enveloped(&text, "").notice()] {
            assert_eq!(read, NoticeMessage::Notice(Box::new(notice.clone())));
        }
    }

    #[test]
    fn alarm_is_read_from_cloudwatch_json() {
        let text = r#"{"AlarmName":"dlq-not-empty","AlarmDescription":"look","NewStateValue":"ALARM",
            "NewStateReason":"1 > 0","Region":"Asia Pacific (Mumbai)","StateChangeTime":"2026-11-21T08:36:04.123+0000"}"#;
        let NoticeMessage::Alarm(alarm) = enveloped(text, "ALARM").notice() else { panic!("no alarm") };
        assert_eq!((&*alarm.id, &*alarm.name, &*alarm.state), ("sns-1", "dlq-not-empty", "ALARM"));
        assert_eq!(alarm.at.map(|at| at.to_string()), Some("2026-11-21T08:36:04.123Z".into()));
    }

    #[test]
    fn notice_of_an_unknown_sink_keeps_its_text() {
        let parked = |sink: &str| {
            let text = r#"{"id":"n","at":"2026-11-21T08:36:04Z","type":"messages.parked","error_code":"c","error":"e"}"#;
            let text = text.replace('}', &format!(r#","messages":2,"sink":"{sink}"}}"#));
            enveloped(&text, "").notice()
        };
        assert!(matches!(parked("reports"), NoticeMessage::Notice(_)));
        let NoticeMessage::Other(other) = parked("postgres") else { panic!("not other") };
        assert!(other.text.contains("sink: postgres\ntype: messages.parked"), "{}", other.text);
    }

    #[test]
    fn list_loses_only_its_entries_of_unknown_sinks() {
        let sinks = |kind: &str, fields: &str| {
            let text = format!(r#"{{"id":"n","at":"2026-11-21T08:36:04Z","type":"{kind}",{fields}}}"#);
            match message(&text).notice() {
                NoticeMessage::Notice(notice) => match notice.kind {
                    NoticeKind::BackfillFinished(backfill) => {
                        backfill.failures.iter().map(|failure| failure.sink).collect()
                    }
                    NoticeKind::SyncsRequested(requested) => {
                        requested.tests[0].sinks.iter().map(|stale| stale.sink).collect()
                    }
                    NoticeKind::OutageOpen(outage) => outage.sinks,
                    NoticeKind::OutageOver(outage) => outage.sinks,
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        };
        let entries = |entry: &str| {
            let both = ["postgres", "warehouse"].map(|sink| entry.replace("SINK", sink));
            format!("[{}]", both.join(","))
        };
        let failures = entries(r#"{"session_id":"s","sink":"SINK","error":"e"}"#);
        let failures = format!(r#""backfill_id":"b","tests":2,"done":0,"failed":2,"failures":{failures}"#);
        let stale = entries(r#"{"sink":"SINK","because":"asked","since":"2026-11-21T08:36:04Z","times":1}"#);
        let requested = format!(r#""count":1,"tests":[{{"session_id":"s","quiz_id":"q","sinks":{stale}}}]"#);
        let late =
            format!(r#""sinks":{},"dependency":"SQS","since":"2026-11-21T08:36:04Z""#, entries(r#""SINK""#));
        let open = format!(
            r#"{late},"waiting":1,"parked":0,"error_code":"c","error":"e","failed_at":"2026-11-21T08:36:04Z""#
        );
        let over = format!(r#"{late},"until":"2026-11-21T08:36:04Z","synced":1"#);
        for (kind, fields) in [
            ("backfill.finished", failures),
            ("syncs.requested", requested),
            ("outage.open", open),
            ("outage.over", over),
        ] {
            assert_eq!(sinks(kind, &fields), [Sink::Warehouse], "{kind}");
        }
    }

    #[test]
    fn other_messages_keep_their_text() {
        let NoticeMessage::Other(other) = enveloped("hello", "Budget").notice() else { panic!("not other") };
        assert_eq!((other.subject.as_deref(), &*other.text), (Some("Budget"), "hello"));
        let NoticeMessage::Other(other) = message(r#"{"b":1,"a":"x"}"#).notice() else { panic!("not other") };
        assert_eq!((&*other.id, &*other.text), ("m", "a: x\nb: 1"));
    }
}
