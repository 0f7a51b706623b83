use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::card_update::CardUpdate;
use crate::operator_acted::OperatorActed;
use crate::outage::{Outage, OutageOver};
use crate::reconciled::{SyncsRequested, UnknownQuiz};
use crate::sink::{Sink, read_known_sinks};

/// A notice for the operations team, as sent over the topic `sync-notices`. Its JSON is one flat object with the fields of
/// its kind.
///
/// # Examples
///
/// ```
/// use quiz_events::{Notice, NoticeKind};
///
/// let text = r#"{"id": "parked:reports:m-1", "at": "2026-11-21T08:36:04Z", "type": "messages.parked",
///     "sink": "reports", "error_code": "not_an_event", "error": "the message is empty", "messages": 2}"#;
/// let notice: Notice = serde_json::from_str(text)?;
/// assert_eq!((notice.kind.name(), notice.kind.sender()), ("messages.parked", "reports"));
/// let NoticeKind::MessagesParked(parked) = &notice.kind else { panic!("its type says so") };
/// assert_eq!(parked.messages, 2);
/// assert_eq!(notice.card_update(), None, "each parking has a card of its own");
///
/// // all notices of a backfill edit one card
/// let text = r#"{"id": "b-1:2", "at": "2026-11-21T08:36:04Z", "type": "backfill.started",
///     "backfill_id": "b-1", "tests": 40, "done": 12, "failed": 0}"#;
/// let update = serde_json::from_str::<Notice>(text)?.card_update();
/// assert_eq!(update.map(|update| update.card).as_deref(), Some("backfill:b-1"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The id of the notice; a redelivered notice has the same id.
    pub id: String,
    /// When the notice was made.
    pub at: Timestamp,
    /// The full hash of the commit that the sender was built from, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The fact.
    #[serde(flatten)]
    pub kind: NoticeKind,
}

impl Notice {
    /// A notice without a commit, which the sender adds.
    #[must_use]
    pub fn new(id: impl Into<String>, at: Timestamp, kind: NoticeKind) -> Self {
        Self { id: id.into(), at, commit: None, kind }
    }

    /// The change of the card that several notices share; `None` if the notice has a card of its own.
    #[must_use]
    pub fn card_update(&self) -> Option<CardUpdate> {
        match &self.kind {
            NoticeKind::BackfillStarted(backfill) => {
                Some(CardUpdate::for_backfill(&backfill.backfill_id, false, self.at))
            }
            NoticeKind::BackfillFinished(backfill) => {
                Some(CardUpdate::for_backfill(&backfill.backfill_id, true, self.at))
            }
            NoticeKind::OutageOpen(outage) => {
                Some(CardUpdate::for_outage(&outage.dependency, false, self.at))
            }
            NoticeKind::OutageOver(outage) => Some(CardUpdate::for_outage(&outage.dependency, true, self.at)),
            _ => None,
        }
    }
}

/// The content of a notice, by its `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum NoticeKind {
    /// The result of a test session is written to a sink.
    #[serde(rename = "sync.finished")]
    SyncFinished(SyncFinished),
    /// The last try failed, and the messages are in the dead-letter queue.
    #[serde(rename = "sync.failed")]
    SyncFailed(SyncFailed),
    /// Messages that can never succeed are in the dead-letter queue.
    #[serde(rename = "messages.parked")]
    MessagesParked(MessagesParked),
    /// An operator has deleted messages of a dead-letter queue. Only an older command sends it.
    #[serde(rename = "messages.dropped")]
    MessagesDropped(MessagesDropped),
    /// An operator begins an action that changes something.
    #[serde(rename = "operator.acted")]
    OperatorActed(OperatorActed),
    /// A backfill runs: sent at its start, and again under a new id with newer counts.
    #[serde(rename = "backfill.started")]
    BackfillStarted(Backfill),
    /// A backfill has ended: each test session is synced or given up.
    #[serde(rename = "backfill.finished")]
    BackfillFinished(Backfill),
    /// Reconcile requested syncs of stale test sessions.
    #[serde(rename = "syncs.requested")]
    SyncsRequested(SyncsRequested),
    /// Students completed a quiz for which no request has ever named a test session. One notice for each quiz and day.
    #[serde(rename = "tests.unknown")]
    QuizUnknown(UnknownQuiz),
    /// A service that syncs need is down: sent by each pass of reconcile under a new id, with newer counts.
    #[serde(rename = "outage.open")]
    OutageOpen(Outage),
    /// The service works again.
    #[serde(rename = "outage.over")]
    OutageOver(OutageOver),
}

impl NoticeKind {
    /// The notice's `type`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::SyncFinished(_) => "sync.finished",
            Self::SyncFailed(_) => "sync.failed",
            Self::MessagesParked(_) => "messages.parked",
            Self::MessagesDropped(_) => "messages.dropped",
            Self::OperatorActed(_) => "operator.acted",
            Self::BackfillStarted(_) => "backfill.started",
            Self::BackfillFinished(_) => "backfill.finished",
            Self::SyncsRequested(_) => "syncs.requested",
            Self::QuizUnknown(_) => "tests.unknown",
            Self::OutageOpen(_) => "outage.open",
            Self::OutageOver(_) => "outage.over",
        }
    }

    /// The sender; a sink's function has the name of the sink.
    #[must_use]
    pub fn sender(&self) -> &'static str {
        match self {
            Self::SyncFinished(finished) => finished.sink.as_str(),
            Self::SyncFailed(failed) => failed.sink.as_str(),
            Self::MessagesParked(parked) => parked.sink.as_str(),
            Self::MessagesDropped(_)
            | Self::OperatorActed(_)
            | Self::BackfillStarted(_)
            | Self::BackfillFinished(_) => "quiz-etl",
            Self::SyncsRequested(_) | Self::QuizUnknown(_) | Self::OutageOpen(_) | Self::OutageOver(_) => {
                "reconcile"
            }
        }
    }
}

/// The result of a test session is written to a sink.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SyncFinished {
    pub sink: Sink,
    pub session_id: String,
    pub quiz_id: String,
    pub test_name: String,
    /// Whether the quiz is a form, whose responses are never ranked.
    #[serde(default, skip_serializing_if = "is_default")]
    pub is_form: bool,
    /// Students with an attempt that counts.
    #[serde(rename = "takers")]
    pub participants: u64,
    /// Participants whose attempt is final.
    pub ranked: u64,
    /// Report items, or warehouse rows.
    pub rows_written: u64,
    /// Report items that were not written, because their stored digest equals the new one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unchanged: u64,
    /// The messages that this sync serves.
    #[serde(rename = "messages_coalesced")]
    pub messages: u64,
    pub started_at: Timestamp,
    pub duration_ms: u64,
    /// From the newest completion to the end of the sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<u64>,
    /// The highest marks of a ranked participant; `None` if there is none. So for `average` and `median`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median: Option<f64>,
    /// The distribution of the ranked participants' marks; empty for a form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub histogram: Vec<HistogramBin>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<NoticeProblem>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The number of ranked participants with `from ≤ marks < to`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistogramBin {
    pub from: f64,
    pub to: f64,
    #[serde(rename = "takers")]
    pub participants: u64,
}

/// A problem in the documents, with its count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeProblem {
    pub kind: String,
    pub count: u64,
    /// An example, which names documents by their ids.
    pub example: String,
    /// The meaning of the problem, and the next step.
    #[serde(default)]
    pub advice: String,
}

/// A sync that failed for the last time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncFailed {
    pub sink: Sink,
    /// The test sessions that the messages name.
    pub session_ids: Vec<String>,
    pub error_code: String,
    pub error: String,
    /// The number of messages in the dead-letter queue with this cause.
    pub messages: u64,
}

/// Parked messages that name no test session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesParked {
    pub sink: Sink,
    pub error_code: String,
    pub error: String,
    pub messages: u64,
}

/// Messages that an operator deleted from a dead-letter queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesDropped {
    /// The name of the dead-letter queue.
    pub queue: String,
    pub messages: u64,
    /// The operator's reason.
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// Why the messages were parked, each cause once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub error_codes: Vec<String>,
}

/// Many test sessions synced by an operator. All notices of one backfill share one Discord message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    pub backfill_id: String,
    /// All test sessions of the backfill.
    pub tests: u64,
    /// Test sessions that are synced.
    pub done: u64,
    /// Test sessions that are given up.
    pub failed: u64,
    /// Test sessions whose last try failed and that are retried.
    #[serde(default)]
    pub retrying: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// The test sessions that are given up, with their causes, as far as the sender lists them and this version knows their
    /// sinks.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read_known_sinks")]
    pub failures: Vec<BackfillFailure>,
}

/// A test session of a backfill that is given up in one sink.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillFailure {
    pub session_id: String,
    pub sink: Sink,
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::{
        Backfill, BackfillFailure, HistogramBin, MessagesDropped, Notice, NoticeKind, NoticeProblem,
        SyncFinished,
    };
    use crate::Sink;

    /// A notice with all fields, as the version before sends it.
    const FINISHED: &str = concat!(
        r#"{"id":"1","at":"2026-11-21T08:36:04Z","type":"sync.finished","sink":"reports","session_id":"Group_q","#,
        r#""quiz_id":"q","test_name":"Mock 7","is_form":true,"takers":3,"ranked":2,"rows_written":15,"unchanged":4,"#,
        r#""messages_coalesced":5,"started_at":"2026-11-21T08:36:00Z","duration_ms":4000,"lag_ms":9000,"#,
        r#""highest":12.5,"average":8.25,"median":8.0,"histogram":[{"from":0.0,"to":4.0,"takers":3}],"#,
        r#""problems":[{"kind":"k","count":1,"example":"e","advice":"a"}]}"#,
    );

    /// A notice without the optional fields.
    const LEAST_FINISHED: &str = concat!(
        r#"{"id":"1","at":"2026-11-21T08:36:04Z","type":"sync.finished","sink":"reports","session_id":"","quiz_id":"","#,
        r#""test_name":"","takers":0,"ranked":0,"rows_written":0,"messages_coalesced":0,"#,
        r#""started_at":"1970-01-01T00:00:00Z","duration_ms":0}"#,
    );

    #[test]
    fn finished_syncs_keep_their_json() {
        let finished = SyncFinished {
            sink: Sink::Reports,
            session_id: "Group_q".into(),
            quiz_id: "q".into(),
            test_name: "Mock 7".into(),
            is_form: true,
            participants: 3,
            ranked: 2,
            rows_written: 15,
            unchanged: 4,
            messages: 5,
            started_at: "2026-11-21T08:36:00Z".parse().unwrap(),
            duration_ms: 4_000,
            lag_ms: Some(9_000),
            highest: Some(12.5),
            average: Some(8.25),
            median: Some(8.0),
            histogram: vec![HistogramBin { from: 0.0, to: 4.0, participants: 3 }],
            problems: vec![NoticeProblem {
                kind: "k".into(),
                count: 1,
                example: "e".into(),
                advice: "a".into(),
            }],
        };
        for (finished, text) in [(finished, FINISHED), (SyncFinished::default(), LEAST_FINISHED)] {
            let at = "2026-11-21T08:36:04Z".parse().unwrap();
            let notice = Notice::new("1", at, NoticeKind::SyncFinished(finished));
            assert_eq!(serde_json::to_string(&notice).unwrap(), text);
            assert_eq!(serde_json::from_str::<Notice>(text).unwrap(), notice);
        }
    }

    #[test]
    fn backfill_notices_keep_their_json() {
        let few = r#"{"id":"1","at":"2026-11-21T08:36:04Z","type":"backfill.started","backfill_id":"b","tests":3,
            "done":1,"failed":0}"#;
        let mut notice: Notice = serde_json::from_str(few).unwrap();
        let backfill = Backfill { backfill_id: "b".into(), tests: 3, done: 1, ..Backfill::default() };
        assert_eq!(notice.kind, NoticeKind::BackfillStarted(backfill.clone()));
        let failure =
            BackfillFailure { session_id: "s".into(), sink: Sink::Reports, error: "no answer".into() };
        notice.kind =
            NoticeKind::BackfillFinished(Backfill { retrying: 2, failures: vec![failure], ..backfill });
        let text = serde_json::to_string(&notice).unwrap();
        assert_eq!(serde_json::from_str::<Notice>(&text).unwrap(), notice);
    }

    #[test]
    fn actions_of_newer_commands_are_read() {
        let text = concat!(
            r#"{"id":"1","at":"2026-11-21T08:36:04Z","type":"operator.acted","action":"archive","by":"olivia","#,
            r#""identity":"arn:aws:iam::1:user/olivia","reason":"old tests","target":"2 test sessions","count":2,"#,
            r#""session_ids":["a","b"],"version":"0.9.0"}"#,
        );
        let notice: Notice = serde_json::from_str(text).unwrap();
        let NoticeKind::OperatorActed(acted) = &notice.kind else { panic!("{notice:?}") };
        assert_eq!((&*acted.action, acted.count, acted.session_ids.len()), ("archive", 2, 2));
        assert_eq!(serde_json::to_string(&notice).unwrap(), text);
    }

    #[test]
    fn dropped_messages_are_read_by_their_type() {
        let text = r#"{"id":"1","at":"2026-11-21T08:36:04Z","type":"messages.dropped","queue":"reports-dlq",
            "messages":12,"reason":"a test run"}"#;
        let notice: Notice = serde_json::from_str(text).unwrap();
        assert_eq!(notice.kind.name(), "messages.dropped");
        let dropped = MessagesDropped {
            queue: "reports-dlq".into(),
            messages: 12,
            reason: "a test run".into(),
            ..MessagesDropped::default()
        };
        assert_eq!(notice.kind, NoticeKind::MessagesDropped(dropped));
        assert_eq!(notice.card_update(), None);
    }
}
