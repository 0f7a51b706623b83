mod ahead;
mod reader;
mod snapshots;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use quiz_domain::reports::Stamp;
use quiz_domain::{AttemptHead, Problems, Test};
use quiz_events::Sink;
use reader::Reader;

use crate::error::SyncError;
use crate::outcome::SyncOutcome;
use crate::ports::{AnswerSource, Clock};
use crate::request::SessionRequest;
use crate::scope::RunScope;
use crate::sink::{ResultSink, SinkBatch, SinkCounts};
use crate::stopwatch::Stopwatch;
use crate::sync::{SessionSync, SyncBatch, Synced};

pub use snapshots::Snapshots;

/// SQS keeps a message for 14 days at most.
const LONGEST_RETENTION: Duration = Duration::from_hours(14 * 24);

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
}

impl SessionSync for Engine {
    fn begin(&self) -> Result<Arc<dyn SyncBatch>, SyncError> {
        let sink = self.sink.begin()?;
        Ok(Arc::new(Batch { reader: self.reader.clone(), name: self.sink.sink(), sink }))
    }
}

struct Batch {
    reader: Reader,
    sink: Arc<dyn SinkBatch>,
    name: Sink,
}

#[async_trait]
impl SyncBatch for Batch {
    async fn sync(&self, request: &SessionRequest, scope: &RunScope) -> Result<Synced, SyncError> {
        let clock = &self.reader.clock;
        let (mut reading, mut writing) = (Stopwatch::default(), Stopwatch::default());
        let asked = reading.time(self.reader.quiz(request, scope)).await?;
        let mut writer = self.sink.test(asked.builder.quiz(), &asked.session);
        let read = self.reader.read(asked, &mut *writer, (&mut reading, &mut writing)).await?;
        let stamp = Stamp { written_at: clock.now(), generation: scope.generation };
        let write = writing.time(writer.finish(&read.test, stamp, scope));
        let (counts, ()) = futures::join!(write, self.reader.save(&request.target.quiz_id, read.snapshot));
        let outcome = SyncOutcome {
            known: read.known,
            source_time: reading.total,
            sink_time: writing.total,
            ..self.outcome(request, &read.test, counts?, scope)
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
            is_form: test.is_form(),
            takers: test.takers(),
            ranked: test.ranked(),
            written: counts.written,
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

/// The outcome with the times that are known when all is written.
fn ended(outcome: SyncOutcome, now: Timestamp) -> SyncOutcome {
    SyncOutcome {
        duration: between(outcome.started_at, now),
        lag: outcome.newest_completion.and_then(|completed| lag(completed, now)),
        ..outcome
    }
}

/// A completion that no queue can still hold was published again, by a backfill or a test.
fn lag(completed: Timestamp, now: Timestamp) -> Option<Duration> {
    let lag = Duration::try_from(now.duration_since(completed)).ok()?;
    (lag <= LONGEST_RETENTION).then_some(lag)
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::lag;

    #[test]
    fn completions_that_no_queue_holds_have_no_lag() {
        let at = |text: &str| text.parse().unwrap();
        let now = at("2026-11-30T12:00:00Z");
        assert_eq!(lag(at("2026-11-30T11:58:30Z"), now), Some(Duration::from_secs(90)));
        assert_eq!(lag(at("2026-11-16T12:00:00Z"), now), Some(Duration::from_hours(14 * 24)));
        assert_eq!(lag(at("2026-11-16T11:59:59Z"), now), None);
        assert_eq!(lag(at("2026-11-30T12:00:01Z"), now), None, "the sender's clock is ahead");
    }
}
