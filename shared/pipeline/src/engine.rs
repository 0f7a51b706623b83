mod ahead;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bson::Bson;
use futures::TryStreamExt;
use jiff::Timestamp;
use quiz_domain::reports::Stamp;
use quiz_domain::{
    AttemptHead, AttemptSelection, Problems, Quiz, Taken, TakenAttempt, Test, TestBuilder, TestSession,
};

use crate::error::SyncError;
use crate::outcome::SyncOutcome;
use crate::ports::{AnswerSource, AttemptBatch, Clock};
use crate::request::SessionRequest;
use crate::scope::RunScope;
use crate::sink::{ResultSink, SinkBatch, SinkCounts, TestWriter};
use crate::stopwatch::Stopwatch;
use crate::sync::{SessionSync, SyncBatch, Synced};
use ahead::{Ahead, Read};

/// Attempts that a sink wants are read so many at a time, by user id: that is how it gets them in order though
/// the source has none. Of each only what the student answered is kept meanwhile.
const ATTEMPTS: usize = 256;

/// Reads, scores and ranks tests, and hands the results to a sink.
pub struct Engine {
    reader: Arc<Reader>,
    sink: Arc<dyn ResultSink>,
}

struct Reader {
    source: Arc<dyn AnswerSource>,
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
        Self { reader: Arc::new(Reader { source, clock, excluded_users }), sink }
    }
}

impl SessionSync for Engine {
    fn begin(&self) -> Result<Arc<dyn SyncBatch>, SyncError> {
        let sink = self.sink.begin()?;
        Ok(Arc::new(Batch { reader: Arc::clone(&self.reader), sink, name: self.sink.name() }))
    }
}

struct Batch {
    reader: Arc<Reader>,
    sink: Arc<dyn SinkBatch>,
    name: &'static str,
}

#[async_trait]
impl SyncBatch for Batch {
    async fn sync(&self, request: &SessionRequest, scope: &RunScope) -> Result<Synced, SyncError> {
        let clock = &self.reader.clock;
        let (mut reading, mut writing) = (Stopwatch::default(), Stopwatch::default());
        let (quiz, session, problems) = reading.time(self.reader.quiz(request)).await?;
        let mut writer = self.sink.test(&quiz, &session);
        let builder = TestBuilder::new(quiz, session, scope.read_started_at, problems);
        let times = (&mut reading, &mut writing);
        let test = self.reader.read(request, builder, &mut *writer, times).await?;
        let stamp = Stamp { written_at: clock.now(), generation: scope.generation };
        let counts = writing.time(writer.finish(&test, stamp, scope)).await?;
        let outcome = SyncOutcome {
            source_time: reading.total,
            sink_time: writing.total,
            ..self.outcome(request, &test, counts, scope)
        };
        Ok(if self.sink.commits_together() {
            Synced::Staged(outcome)
        } else {
            Synced::Done(ended(outcome, clock.now()))
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

    async fn commit(&self, staged: Vec<SyncOutcome>) -> Vec<Result<SyncOutcome, SyncError>> {
        let session_ids: Vec<String> = staged.iter().map(|it| it.session_id.clone()).collect();
        let mut writing = Stopwatch::default();
        let results = writing.time(self.sink.commit(&session_ids)).await;
        let now = self.reader.clock.now();
        let tests = staged.into_iter().zip(results);
        tests
            .map(|(outcome, result)| {
                let sink_time = outcome.sink_time + writing.total;
                Ok(result.map(|()| ended(SyncOutcome { sink_time, ..outcome }, now))?)
            })
            .collect()
    }
}

impl Batch {
    fn outcome(
        &self,
        request: &SessionRequest,
        test: &Test,
        counts: SinkCounts,
        scope: &RunScope,
    ) -> SyncOutcome {
        let mut problems = counts.problems;
        problems.merge(test.problems.clone());
        SyncOutcome {
            sink: self.name,
            session_id: test.session.session_id.clone(),
            quiz_id: test.quiz.id.clone(),
            test_name: test.name().to_owned(),
            takers: test.takers(),
            ranked: test.ranked(),
            written: counts.written,
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

/// The outcome with the times that are known when all is written.
fn ended(outcome: SyncOutcome, now: Timestamp) -> SyncOutcome {
    SyncOutcome {
        duration: between(outcome.started_at, now),
        lag: outcome.newest_completion.map(|completed| between(completed, now)),
        ..outcome
    }
}

impl Reader {
    async fn quiz(&self, request: &SessionRequest) -> Result<(Quiz, TestSession, Problems), SyncError> {
        let target = &request.target;
        let documents = self.source.quiz(&target.quiz_id).await?.ok_or_else(|| SyncError::UnknownQuiz {
            session_id: target.session_id.clone(),
            quiz_id: target.quiz_id.clone(),
        })?;
        let (quiz, problems) = Quiz::read(&documents.quiz, &documents.questions)?;
        let session = request.session(&quiz);
        Ok((quiz, session, problems))
    }

    /// Reads, scores and ranks the attempts, and shows each to the writer, by user id, if it wants them.
    async fn read(
        &self,
        request: &SessionRequest,
        mut builder: TestBuilder,
        writer: &mut dyn TestWriter,
        (reading, writing): (&mut Stopwatch, &mut Stopwatch),
    ) -> Result<Test, SyncError> {
        let quiz_id = &request.target.quiz_id;
        let wants_attempts = writer.wants_attempts();
        let mut selection = reading.time(self.selection(quiz_id, builder.problems())).await?;
        loop {
            let keys = selection.take_best();
            if keys.is_empty() {
                return Ok(builder.finish()?);
            }
            let chunks = if wants_attempts { in_chunks(&keys) } else { vec![keys] };
            let mut documents = Ahead::start(Arc::clone(&self.source), quiz_id.clone(), chunks);
            let mut without_attempt = HashSet::new();
            let mut wanted: Vec<Box<TakenAttempt>> = Vec::new();
            while let Some(read) = reading.time(documents.next()).await? {
                match read {
                    Read::Batch(batch) => {
                        for taken in take_all(&mut builder, &batch, wants_attempts) {
                            match taken {
                                Taken::Attempt(attempt) if wants_attempts => wanted.push(attempt),
                                Taken::NoAttempt { user_id } => drop(without_attempt.insert(user_id)),
                                Taken::Attempt(_) | Taken::Scored | Taken::Unreadable => {}
                            }
                        }
                    }
                    Read::EndOfChunk => {
                        wanted.sort_by(|a, b| a.attempt.user_id.cmp(&b.attempt.user_id));
                        for attempt in wanted.drain(..) {
                            writing.time(writer.take(builder.quiz(), &attempt)).await?;
                        }
                    }
                }
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

fn in_chunks(keys: &[Bson]) -> Vec<Vec<Bson>> {
    keys.chunks(ATTEMPTS).map(<[Bson]>::to_vec).collect()
}

/// Most documents are scored as they are stored; what is unusual is decoded.
fn take_all<'a>(
    builder: &'a mut TestBuilder,
    batch: &'a AttemptBatch,
    wants_attempts: bool,
) -> impl Iterator<Item = Taken> + 'a {
    batch.documents().map(move |document| {
        let taken = builder.take_raw(document, wants_attempts);
        taken.unwrap_or_else(|| builder.take(&batch.decode(document)))
    })
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
