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

/// Reads, scores and ranks tests, and hands the results to a sink.
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

    /// From now on a read of a test takes from the snapshot of an earlier one what has not changed since, unless its
    /// sink wants each attempt.
    #[must_use]
    pub fn with_snapshots(mut self, snapshots: Snapshots) -> Self {
        self.reader.snapshots = Some(snapshots);
        self
    }

    /// Syncs one test session as a batch of its own: for a caller that needs no lease.
    ///
    /// # Errors
    /// [`SyncError`] where the test session cannot be read, scored or written.
    pub async fn sync_alone(
        &self,
        request: &SessionRequest,
        scope: RunScope,
    ) -> Result<SyncOutcome, SyncError> {
        let staging = self.begin()?;
        let scope = RunScope { staging: staging.clone(), ..scope };
        let (outcome, test) = match self.sync(request, &scope).await? {
            Synced::Done(outcome) => return Ok(outcome),
            Synced::Staged(outcome, test) => (outcome, test),
        };
        let mut writing = Stopwatch::default();
        let committed = match staging {
            Some(staging) => writing.time(staging.replace(&[test])).await.pop(),
            None => None,
        };
        let silent = || WarehouseError::unavailable("commit rows", "the commit has no result");
        committed.unwrap_or_else(|| Err(silent())).map_err(SinkError::from)?;
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
        let asked = reading.time(self.reader.quiz(request, scope)).await?;
        let mut writer = self.sink.writer(asked.builder.quiz(), &asked.session, scope)?;
        let read = self.reader.read(asked, &mut *writer, (&mut reading, &mut writing)).await?;
        let stamp = Stamp { written_at: clock.now(), generation: scope.generation };
        let write = writing.time(writer.finish(&read.test, stamp, scope));
        let (counts, ()) = futures::join!(write, self.reader.save(&request.target.quiz_id, read.snapshot));
        let mut counts = counts?;
        let staged = counts.staged.take();
        let outcome = SyncOutcome {
            known: read.known,
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
        quiz_id: &str,
        user_ids: &[String],
    ) -> Result<HashMap<String, Option<Timestamp>>, SyncError> {
        let mut ended: HashMap<String, Option<Timestamp>> = HashMap::new();
        for document in self.reader.source.heads_of(quiz_id, user_ids).await? {
            // what is wrong with a document is told by the sync
            let head = AttemptHead::read(&document, &mut Problems::default());
            if let Some(head) = head.filter(|head| head.ended) {
                let newest = ended.entry(head.user_id).or_default();
                *newest = head.updated_at.max(*newest);
            }
        }
        Ok(ended)
    }
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
