use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt;
use jiff::Timestamp;
use quiz_domain::reports::Stamp;
use quiz_domain::{AttemptHead, AttemptSelection, Problems, Quiz, Test, TestBuilder};
use thiserror::Error;

use crate::error::SyncError;
use crate::outcome::SyncOutcome;
use crate::ports::{AnswerSource, Cause, Clock, StoreError};
use crate::request::SessionRequest;

/// Syncs one test: a batch knows nothing else of it.
#[async_trait]
pub trait SessionSync: Send + Sync {
    async fn sync(&self, request: &SessionRequest) -> Result<SyncOutcome, SyncError>;
}

/// Why a result could not be written. A retry may help, now or once the cause is mended.
#[derive(Debug, Error)]
pub enum SinkError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("could not write {what}: {cause}")]
    Output { what: String, cause: Cause },
}

/// What a sink did with a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkCounts {
    pub written: u64,
    pub deleted: u64,
    /// What the sink could not hold.
    pub problems: Problems,
}

/// Takes a test's result and makes it what its session has, exactly.
#[async_trait]
pub trait ResultSink: Send + Sync {
    /// `reports` or `warehouse`.
    fn name(&self) -> &'static str;

    async fn write(&self, test: &Test, stamp: Stamp) -> Result<SinkCounts, SinkError>;
}

/// Reads, scores and ranks a test, and hands the result to its sink.
pub struct Engine {
    source: Arc<dyn AnswerSource>,
    sink: Arc<dyn ResultSink>,
    clock: Arc<dyn Clock>,
    excluded_users: HashSet<String>,
}

impl Engine {
    #[must_use]
    pub fn new(
        source: Arc<dyn AnswerSource>,
        sink: Arc<dyn ResultSink>,
        clock: Arc<dyn Clock>,
        excluded_users: HashSet<String>,
    ) -> Self {
        Self { source, sink, clock, excluded_users }
    }

    async fn read(&self, request: &SessionRequest, now: Timestamp) -> Result<Test, SyncError> {
        let target = &request.target;
        let documents = self.source.quiz(&target.quiz_id).await?.ok_or_else(|| SyncError::UnknownQuiz {
            session_id: target.session_id.clone(),
            quiz_id: target.quiz_id.clone(),
        })?;
        let (quiz, problems) = Quiz::read(&documents.quiz, &documents.questions)?;
        let session = request.session(&quiz);
        let mut builder = TestBuilder::new(quiz, session, now, problems);
        let mut selection = self.selection(&target.quiz_id, builder.problems()).await?;
        loop {
            let keys = selection.take_best();
            if keys.is_empty() {
                return Ok(builder.finish()?);
            }
            let mut without_attempt = HashSet::new();
            let mut documents = self.source.attempts(&target.quiz_id, keys).await?;
            while let Some(document) = documents.try_next().await? {
                without_attempt.extend(builder.take(&document));
            }
            selection.keep(&without_attempt);
        }
    }

    async fn selection(&self, quiz_id: &str, problems: &mut Problems) -> Result<AttemptSelection, SyncError> {
        let mut selection = AttemptSelection::new(self.excluded_users.clone());
        let mut heads = self.source.attempt_heads(quiz_id).await?;
        while let Some(head) = heads.try_next().await? {
            if let Some(head) = AttemptHead::read(&head, problems) {
                selection.add(head);
            }
        }
        Ok(selection)
    }
}

#[async_trait]
impl SessionSync for Engine {
    async fn sync(&self, request: &SessionRequest) -> Result<SyncOutcome, SyncError> {
        let started_at = self.clock.now();
        let test = self.read(request, started_at).await?;
        let stamp = Stamp { written_at: self.clock.now(), generation: started_at.as_millisecond() };
        let counts = self.sink.write(&test, stamp).await?;
        let finished_at = self.clock.now();
        let mut problems = counts.problems;
        problems.merge(test.problems.clone());
        Ok(SyncOutcome {
            sink: self.sink.name(),
            session_id: test.session.session_id.clone(),
            quiz_id: test.quiz.id.clone(),
            test_name: test.name().to_owned(),
            takers: test.takers(),
            ranked: test.ranked(),
            written: counts.written,
            deleted: counts.deleted,
            messages: request.messages,
            started_at,
            duration: between(started_at, finished_at),
            lag: request.newest_completion.map(|completed| between(completed, finished_at)),
            figures: test.figures(),
            histogram: test.histogram(),
            problems,
        })
    }
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
