use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use quiz_events::{Backfill, BackfillFailure, Notice, NoticeKind, Notices};
use tokio::time::Instant;

use crate::backfill::track::{Counts, FailedTest};

/// Between two notices of one backfill: each edits its message on Discord.
const PACE: Duration = Duration::from_secs(15);
/// A notice names no more failures: it must fit a message of SNS.
const FAILURES: usize = 50;
/// A cause is cut there.
const LONGEST_ERROR: usize = 500;

/// Tells the ops team of a backfill, as one Discord message that is edited.
pub struct Teller {
    pub notices: Box<dyn Notices>,
    pub backfill_id: String,
    pub reason: Option<String>,
    pub requested_by: Option<String>,
    pub started_at: Timestamp,
    pub told: Mutex<Option<(Instant, Counts)>>,
}

impl Teller {
    pub async fn started(&self, counts: Counts) {
        self.tell(NoticeKind::BackfillStarted(self.backfill(counts)), counts).await;
    }

    /// Tells it if something has changed, and not too soon after the last notice.
    pub async fn goes_on(&self, counts: Counts) {
        let told = *self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|(at, known)| at.elapsed() >= PACE && known != counts) {
            self.started(counts).await;
        }
    }

    pub async fn finished(&self, counts: Counts, failures: &[FailedTest]) {
        let failures = failures.iter().take(FAILURES).map(|failed| BackfillFailure {
            session_id: failed.session_id.clone(),
            sink: failed.sink,
            error: failed.error.chars().take(LONGEST_ERROR).collect(),
        });
        let backfill = Backfill { failures: failures.collect(), ..self.backfill(counts) };
        self.tell(NoticeKind::BackfillFinished(backfill), counts).await;
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

    async fn tell(&self, kind: NoticeKind, counts: Counts) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), counts));
        let at = Timestamp::now();
        let id = format!("backfill:{}:{}", self.backfill_id, at.as_millisecond());
        self.notices.send(vec![Notice::new(id, at, kind)]).await;
    }
}
