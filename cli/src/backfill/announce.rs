use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use quiz_events::{Backfill, BackfillFailure, Notice, NoticeKind, Notices};
use tokio::time::Instant;

use crate::backfill::track::{Counts, FailedSync};

/// Between two notices of one backfill; each updates the same Discord message.
const NOTICE_INTERVAL: Duration = Duration::from_secs(15);
/// Failures in one notice, so that it fits into an SNS message.
const MAX_FAILURES: usize = 50;
/// Characters of an error in a notice.
const MAX_ERROR_CHARS: usize = 500;

/// Sends the notices of a backfill; the ops team sees one Discord message that is updated.
pub struct Announcer {
    pub notices: Box<dyn Notices>,
    pub backfill_id: String,
    pub reason: Option<String>,
    pub requested_by: Option<String>,
    pub started_at: Timestamp,
    pub last_notice: Mutex<Option<(Instant, Counts)>>,
}

impl Announcer {
    pub async fn announce_start(&self, counts: Counts) {
        self.send(NoticeKind::BackfillStarted(self.backfill(counts)), counts).await;
    }

    /// Sends a notice if the counts have changed and the last notice is old enough.
    pub async fn announce_progress(&self, counts: Counts) {
        let last_notice = *self.last_notice.lock().unwrap_or_else(PoisonError::into_inner);
        if last_notice.is_none_or(|(at, known)| at.elapsed() >= NOTICE_INTERVAL && known != counts) {
            self.announce_start(counts).await;
        }
    }

    pub async fn announce_end(&self, counts: Counts, failures: &[FailedSync]) {
        let failures = failures.iter().take(MAX_FAILURES).map(|failed| BackfillFailure {
            session_id: failed.session_id.clone(),
            sink: failed.sink,
            error: failed.error.chars().take(MAX_ERROR_CHARS).collect(),
        });
        let backfill = Backfill { failures: failures.collect(), ..self.backfill(counts) };
        self.send(NoticeKind::BackfillFinished(backfill), counts).await;
    }

    fn backfill(&self, counts: Counts) -> Backfill {
        Backfill {
            backfill_id: self.backfill_id.clone(),
            tests: counts.tests,
            done: counts.done,
            failed: counts.failed,
            retrying: counts.retrying,
            requested_by: self.requested_by.clone(),
            reason: self.reason.clone(),
            started_at: Some(self.started_at),
            failures: Vec::new(),
        }
    }

    async fn send(&self, kind: NoticeKind, counts: Counts) {
        *self.last_notice.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), counts));
        let at = Timestamp::now();
        let id = format!("backfill:{}:{}", self.backfill_id, at.as_millisecond());
        self.notices.send(vec![Notice::new(id, at, kind)]).await;
    }
}
