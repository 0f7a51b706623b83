use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the ops team is told, as it goes over the topic `sync-notices`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Names the notice: one that comes again under its name is the same.
    pub id: String,
    /// When it was made.
    pub at: Timestamp,
    #[serde(flatten)]
    pub kind: NoticeKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum NoticeKind {
    #[serde(rename = "sync.finished")]
    SyncFinished(SyncFinished),
    /// The last try failed: the messages lie in the dead-letter queue.
    #[serde(rename = "sync.failed")]
    SyncFailed(SyncFailed),
    /// Messages that can never succeed lie in the dead-letter queue.
    #[serde(rename = "messages.parked")]
    MessagesParked(MessagesParked),
    #[serde(rename = "backfill.started")]
    BackfillStarted(Backfill),
    #[serde(rename = "backfill.finished")]
    BackfillFinished(Backfill),
}

impl NoticeKind {
    /// The notice's `type`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::SyncFinished(_) => "sync.finished",
            Self::SyncFailed(_) => "sync.failed",
            Self::MessagesParked(_) => "messages.parked",
            Self::BackfillStarted(_) => "backfill.started",
            Self::BackfillFinished(_) => "backfill.finished",
        }
    }
}

/// A test's result is written to a sink.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SyncFinished {
    /// `reports` or `warehouse`.
    pub sink: String,
    pub session_id: String,
    pub quiz_id: String,
    pub test_name: String,
    /// Everyone with an attempt.
    pub takers: u64,
    /// Those of them whose attempt is final.
    pub ranked: u64,
    /// Report items, or warehouse rows.
    pub rows_written: u64,
    pub messages_coalesced: u64,
    pub started_at: Timestamp,
    pub duration_ms: u64,
    /// From the newest completion to done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median: Option<f64>,
    /// Of the ranked takers' marks; empty for a form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub histogram: Vec<HistogramBin>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<NoticeProblem>,
}

/// So many takers have `from ≤ marks < to`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistogramBin {
    pub from: f64,
    pub to: f64,
    pub takers: u64,
}

/// Something in the documents that did not fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeProblem {
    pub kind: String,
    pub count: u64,
    /// Names documents by their ids.
    pub example: String,
    /// What it means, and what to do.
    #[serde(default)]
    pub advice: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncFailed {
    pub sink: String,
    /// The tests that the messages ask for.
    pub session_ids: Vec<String>,
    pub error_code: String,
    pub error: String,
    /// How many messages lie in the dead-letter queue for it.
    pub messages: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesParked {
    pub sink: String,
    pub error_code: String,
    pub error: String,
    pub messages: u64,
}

/// Many tests synced at an operator's wish. All notices of one backfill are one Discord message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    pub backfill_id: String,
    pub tests: u64,
    pub done: u64,
    pub failed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
}
