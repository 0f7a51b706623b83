//! The engine: one sync of one test session, from the quiz to the written result.
//!
//! Problem: a test session can have 100,000 attempts of several kB each, more than a function can hold. Idea: the engine
//! reads attempts in batches, scores each batch while the next one is read, and keeps only the results.
//!
//! - One attempt of each user counts; the heads of all attempts decide which one, before any attempt is read.
//! - A sink that wants single attempts gets them by user id; other sinks get the ranked result only.
//! - With a snapshot, only attempts that changed since the last sync are read. The result is the same.
//! - A document that does not fit is counted as a problem; it does not end the sync.
//! - The heads also show whether the session id is the `_id` of an attempt. Such a sync fails before anything is written.
//!
//! See docs/decisions/0004-what-does-not-fit.md and docs/decisions/0012-incremental-reading.md.

mod ahead;
mod reader;
mod snapshots;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use quiz_domain::reports::Stamp;
use quiz_domain::{AttemptHead, Problems, SessionResult};
use quiz_events::SessionTarget;
use reader::Reader;

use crate::error::SyncError;
use crate::outcome::SyncOutcome;
use crate::ports::{AnswerSource, Clock, WarehouseBatch, WarehouseError};
use crate::request::SessionRequest;
use crate::scope::RunScope;
use crate::sink::{ResultSink, SinkCounts, SinkError};
use crate::stopwatch::Stopwatch;
use crate::sync::{SessionSync, Synced};

pub use snapshots::Snapshots;

/// Reads, scores and ranks test sessions, and hands the results to a sink.
pub struct Engine {
    reader: Reader,
    sink: Arc<dyn ResultSink>,
}

impl Engine {
    #[must_use]
    pub fn new(
        source: Arc<dyn AnswerSource>,
        sink: Arc<dyn ResultSink>,
        clock: Arc<dyn Clock>,
        excluded_users: HashSet<String>,
    ) -> Self {
        Self { reader: Reader { source, clock, excluded_users, snapshots: None }, sink }
    }

    /// Takes unchanged attempts from the snapshot of an earlier sync, unless the sink wants each attempt.
    #[must_use]
    pub fn with_snapshots(mut self, snapshots: Snapshots) -> Self {
        self.reader.snapshots = Some(snapshots);
        self
    }

    /// Syncs one test session as a batch of its own, for a caller that needs no lease.
    ///
    /// # Errors
    /// [`SyncError`] if the test session cannot be read, scored or written.
    pub async fn sync_alone(
        &self,
        request: &SessionRequest,
        scope: RunScope,
    ) -> Result<SyncOutcome, SyncError> {
        let staging = self.begin()?;
        let scope = RunScope { staging: staging.clone(), ..scope };
        let (outcome, session) = match self.sync(request, &scope).await? {
            Synced::Done(outcome) => return Ok(outcome),
            Synced::Staged(outcome, session) => (outcome, session),
        };
        let mut writing = Stopwatch::default();
        let committed = match staging {
            Some(staging) => writing.time(staging.replace(&[session])).await.pop(),
            None => None,
        };
        let no_result = || WarehouseError::unavailable("commit rows", "the commit has no result");
        committed.unwrap_or_else(|| Err(no_result())).map_err(SinkError::from)?;
        Ok(outcome.committed(self.reader.clock.now(), writing.total))
    }
}

#[async_trait]
impl SessionSync for Engine {
    fn begin(&self) -> Result<Option<Arc<dyn WarehouseBatch>>, SyncError> {
        Ok(self.sink.begin()?)
    }

    async fn sync(&self, request: &SessionRequest, scope: &RunScope) -> Result<Synced, SyncError> {
        let clock = &self.reader.clock;
        let (mut reading, mut writing) = (Stopwatch::default(), Stopwatch::default());
        let prepared = reading.time(self.reader.prepare(request, scope)).await?;
        let mut writer = self.sink.writer(prepared.builder.quiz(), &prepared.session, scope)?;
        let read = self.reader.read(prepared, &mut *writer, (&mut reading, &mut writing)).await?;
        let stamp = Stamp { written_at: clock.now(), generation: scope.generation };
        let write = writing.time(writer.finish(&read.test, stamp, scope));
        let (counts, ()) = futures::join!(write, self.reader.save(&request.target.quiz_id, read.snapshot));
        let mut counts = counts?;
        let staged = counts.staged.take();
        let outcome = SyncOutcome {
            known: read.known,
            start_date: staged.as_ref().map(|staged| staged.start_date),
            source_time: reading.total,
            sink_time: writing.total,
            ..self.outcome(request, &read.test, counts, scope)
        };
        Ok(match staged {
            Some(staged) => Synced::Staged(outcome, staged),
            None => Synced::Done(outcome.ended(clock.now())),
        })
    }

    async fn ended(
        &self,
        target: &SessionTarget,
        user_ids: &[String],
    ) -> Result<HashMap<String, Option<Timestamp>>, SyncError> {
        let mut ended: HashMap<String, Option<Timestamp>> = HashMap::new();
        for document in self.reader.source.heads_of(&target.quiz_id, user_ids).await? {
            // the sync itself reports problems of documents
            let Some(head) = AttemptHead::read(&document, &mut Problems::default()) else { continue };
            refuse_attempt_id(target, &head)?;
            if head.ended {
                let newest = ended.entry(head.user_id).or_default();
                *newest = head.updated_at.max(*newest);
            }
        }
        Ok(ended)
    }
}

/// Refuses a session id that is the `_id` of this attempt. A quiz without a test session has its own id as session id.
fn refuse_attempt_id(target: &SessionTarget, head: &AttemptHead) -> Result<(), SyncError> {
    let SessionTarget { session_id, quiz_id } = target;
    if head.id != *session_id || session_id == quiz_id {
        return Ok(());
    }
    Err(SyncError::SessionIdOfAttempt { session_id: session_id.clone(), quiz_id: quiz_id.clone() })
}

impl Engine {
    fn outcome(
        &self,
        request: &SessionRequest,
        test: &SessionResult,
        counts: SinkCounts,
        scope: &RunScope,
    ) -> SyncOutcome {
        let mut problems = counts.problems;
        problems.merge(test.problems.clone());
        SyncOutcome {
            sink: self.sink.sink(),
            session_id: test.session.session_id.clone(),
            quiz_id: test.quiz.id.clone(),
            test_name: test.name().to_owned(),
            is_form: test.is_form(),
            participants: test.participants(),
            ranked: test.ranked(),
            rows_written: counts.written,
            known: 0,
            unchanged: counts.unchanged,
            deleted: counts.deleted,
            messages: request.messages,
            backfill_id: request.backfill_id.clone(),
            generation: scope.generation,
            key_digest: Some(test.quiz.key_digest()),
            start_date: None,
            started_at: scope.read_started_at,
            duration: Duration::ZERO,
            source_time: Duration::ZERO,
            sink_time: Duration::ZERO,
            newest_completion: request.newest_completion,
            lag: None,
            figures: test.figures(),
            histogram: test.histogram(),
            problems,
        }
    }
}
