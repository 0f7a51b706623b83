//! The notices of reconcile about stale test sessions and unknown quizzes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sink::{Sink, read_known_sinks};

/// The requests of one pass of reconcile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncsRequested {
    /// The number of test sessions.
    pub count: u64,
    /// Test sessions left to the next pass, because there are too many.
    #[serde(default)]
    pub left: u64,
    /// The test sessions, as far as the sender lists them.
    pub tests: Vec<RequestedSession>,
}

/// A stale test session that reconcile requested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedSession {
    pub session_id: String,
    pub quiz_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_name: Option<String>,
    /// The sinks that need it, as far as this version knows them.
    #[serde(deserialize_with = "read_known_sinks")]
    pub sinks: Vec<StaleSink>,
}

/// A sink in which a test session is stale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaleSink {
    pub sink: Sink,
    pub because: StaleReason,
    /// When the newest answer was written, the newest request was sent, or the last run failed.
    pub since: Timestamp,
    /// The time up to which the last finished sync covers everything, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_through: Option<Timestamp>,
    /// Why the last run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The number of requests of reconcile since then, including this one.
    pub times: u32,
}

/// Why a test session is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaleReason {
    /// There are answers that no sync covers.
    Answers,
    /// A request is not covered, and no run or follow-up is known.
    Asked,
    /// The quiz's key has changed since the last sync.
    KeyChanged,
    /// The last run failed, and its messages have not returned.
    Failed,
    /// The last run failed, and its messages are in the dead-letter queue.
    Parked,
}

/// A quiz that students completed, and for which no request names a test session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownQuiz {
    pub quiz_id: String,
    /// The quiz's title in MongoDB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The number of students who completed it lately.
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
    fn notices_of_reconcile_keep_their_json() {
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
