//! The notices of reconcile about a service that is down or works again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sink::{Sink, read_known_sinks};

/// A service that syncs need is down. Sent by each pass of reconcile during the outage; all notices of one outage share one
/// Discord message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// `MongoDB`, `DynamoDB`, `BigQuery` or `SQS`.
    pub dependency: String,
    /// When the first sync failed.
    pub since: Timestamp,
    /// Test sessions whose messages wait in the queues.
    pub waiting: u64,
    /// Test sessions whose messages are parked in a dead-letter queue.
    pub parked: u64,
    /// The sinks that are late, as far as this version knows them.
    #[serde(deserialize_with = "read_known_sinks")]
    pub sinks: Vec<Sink>,
    /// The error code of the newest failure.
    pub error_code: String,
    /// The error of the newest failure.
    pub error: String,
    /// When the newest failure happened.
    pub failed_at: Timestamp,
    /// The end of the newest finished sync into one of these sinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worked_at: Option<Timestamp>,
}

/// The service works again: each test session that waited is synced, or fails for another cause. Sent by the passes of two
/// hours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutageOver {
    /// As in [`Outage`].
    pub dependency: String,
    /// When the first sync failed.
    pub since: Timestamp,
    /// When the last of the test sessions was synced.
    pub until: Timestamp,
    /// Test sessions that waited and are synced.
    pub synced: u64,
    /// The sinks that were late, as far as this version knows them.
    #[serde(deserialize_with = "read_known_sinks")]
    pub sinks: Vec<Sink>,
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Outage, OutageOver};
    use crate::{Notice, NoticeKind, Sink};

    const OPEN: &str = r#"{"id":"outage.open:MongoDB:5","at":"1970-01-01T00:20:00Z","type":"outage.open","dependency":"MongoDB","since":"1970-01-01T00:00:00Z","waiting":12,"parked":3,"sinks":["reports"],"error_code":"source_unavailable","error":"no route","failed_at":"1970-01-01T00:19:00Z"}"#;
    const OVER: &str = r#"{"id":"outage.over:MongoDB:5","at":"1970-01-01T00:20:00Z","type":"outage.over","dependency":"MongoDB","since":"1970-01-01T00:00:00Z","until":"1970-01-01T00:19:00Z","synced":15,"sinks":["reports"]}"#;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(60 * minutes).unwrap()
    }

    #[test]
    fn outage_notices_keep_their_wire_format() {
        let open = Outage {
            dependency: "MongoDB".into(),
            since: at(0),
            waiting: 12,
            parked: 3,
            sinks: vec![Sink::Reports],
            error_code: "source_unavailable".into(),
            error: "no route".into(),
            failed_at: at(19),
            worked_at: None,
        };
        let over = OutageOver {
            dependency: "MongoDB".into(),
            since: at(0),
            until: at(19),
            synced: 15,
            sinks: vec![Sink::Reports],
        };
        for (kind, text) in [(NoticeKind::OutageOpen(open), OPEN), (NoticeKind::OutageOver(over), OVER)] {
            let notice = Notice::new(format!("{}:MongoDB:5", kind.name()), at(20), kind);
            assert_eq!(serde_json::to_string(&notice).unwrap(), text);
            assert_eq!(serde_json::from_str::<Notice>(text).unwrap(), notice);
        }
    }
}
