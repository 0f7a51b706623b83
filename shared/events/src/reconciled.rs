//! What the reconcile schedule tells.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sink::{Sink, of_known_sinks};

/// What one pass of the reconcile schedule has asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncsRequested {
    /// How many tests.
    pub count: u64,
    /// Tests that are left to the next pass, as there are too many.
    #[serde(default)]
    pub left: u64,
    /// Those asked for, as far as the sender lists them.
    pub tests: Vec<RequestedSession>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedSession {
    pub session_id: String,
    pub quiz_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_name: Option<String>,
    /// The sinks that need it, as far as this version knows them.
    #[serde(deserialize_with = "of_known_sinks")]
    pub sinks: Vec<StaleSink>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaleSink {
    pub sink: Sink,
    pub because: StaleReason,
    /// When the newest answer was written, it was last asked for, or the last run failed.
    pub since: Timestamp,
    /// What the last complete sync has seen, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_through: Option<Timestamp>,
    /// Why the last run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How often it was asked for again since then, this time included.
    pub times: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaleReason {
    /// There are answers that no sync has seen.
    Answers,
    /// It was asked for, and nobody is known to be at it.
    Asked,
    /// The last run failed, and its messages have not come again.
    Failed,
    /// The last run failed, and its messages lie in the dead-letter queue.
    Parked,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownQuiz {
    pub quiz_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who have completed it lately.
    pub students: u64,
    /// When the newest of their answers was written.
    pub newest_answer: Timestamp,
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{RequestedSession, StaleReason, StaleSink, SyncsRequested, UnknownQuiz};
    use crate::{Notice, NoticeKind, Sink};

    #[test]
    fn what_reconcile_tells_comes_back_as_it_was_sent() {
        let sink = StaleSink {
            sink: Sink::Warehouse,
            because: StaleReason::Parked,
            since: Timestamp::UNIX_EPOCH,
            synced_through: None,
            error: Some("no answer".into()),
            times: 2,
        };
        let test =
            RequestedSession { session_id: "s".into(), sinks: vec![sink], ..RequestedSession::default() };
        let requested = SyncsRequested { count: 1, left: 0, tests: vec![test] };
        let unknown = UnknownQuiz { quiz_id: "q".into(), students: 3, ..UnknownQuiz::default() };
        for kind in [NoticeKind::SyncsRequested(requested), NoticeKind::QuizUnknown(unknown)] {
            let notice = Notice::new("1", Timestamp::UNIX_EPOCH, kind);
            let text = serde_json::to_string(&notice).unwrap();
            assert!(text.contains(&format!(r#""type":"{}""#, notice.kind.name())), "{text}");
            assert_eq!(serde_json::from_str::<Notice>(&text).unwrap(), notice);
        }
    }
}
