mod puts;
mod sealed;

use std::panic;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use quiz_domain::reports::{self, ReportFormats, ReportItem, ReportTable, Stamp};
use quiz_domain::{ProblemKind, Quiz, SessionResult, TestSession};
use quiz_events::Sink;
use tokio::task::JoinError;

use crate::ports::{PutOutcome, Refusal, ReportStore, StoredItems};
use crate::scope::RunScope;
use crate::sink::{ResultSink, SessionWriter, SinkCounts, SinkError};
use puts::Puts;
use sealed::sealed;

/// Writes a test's reports, and removes those that the session had and the result no longer has. Each test
/// is written by itself, when it is ranked.
#[derive(Clone)]
pub struct ReportSink {
    store: Arc<dyn ReportStore>,
    formats: ReportFormats,
}

impl ReportSink {
    #[must_use]
    pub fn new(store: Arc<dyn ReportStore>, formats: ReportFormats) -> Self {
        Self { store, formats }
    }

    fn is_written(&self, table: ReportTable) -> bool {
        match table {
            ReportTable::Sections => self.formats.v1,
            ReportTable::Students => self.formats.v2,
            ReportTable::FormResponses => true,
        }
    }

    /// Brings a table to exactly these items: writes those that are not there as they should be, and deletes what
    /// is left over.
    async fn bring(
        &self,
        table: ReportTable,
        session_id: &str,
        items: Box<dyn Iterator<Item = ReportItem> + Send + '_>,
        scope: &RunScope,
        counts: &mut SinkCounts,
    ) -> Result<(), SinkError> {
        let stored = self.store.stored(table, session_id).await?;
        let first = scope.progress.first(scope.rewrite);
        let mut run = Run { table, scope, first, stored, counts };
        let mut chunks = sealed(table, items);
        let mut puts = Puts::new(Arc::clone(&self.store), table, scope.fence.clone());
        let mut failure = None;
        loop {
            let is_free = failure.is_none() && puts.has_room();
            tokio::select! {
                biased;
                Some(ended) = puts.next() => match ended {
                    Ok(outcome) => run.ended(outcome),
                    // those that are under way are waited for: none is to arrive after the run has ended
                    Err(error) => failure = failure.or(Some(error)),
                },
                Some(chunk) = chunks.next(), if is_free => match chunk {
                    Ok(chunk) => {
                        let items = run.unwritten(chunk);
                        if !items.is_empty() {
                            scope.progress.note_begun();
                            puts.push(items);
                        }
                    }
                    Err(error) => failure = Some(error),
                },
                else => break,
            }
        }
        if let Some(error) = failure {
            return Err(error);
        }
        let stale: Vec<String> = run.stored.stale(scope.generation).map(str::to_owned).collect();
        drop(run.stored);
        if !stale.is_empty() {
            scope.progress.note_begun();
            counts.deleted += self.store.delete(table, session_id, stale, &scope.fence).await?;
        }
        Ok(())
    }
}

/// One table on its way to be what it should.
struct Run<'a> {
    table: ReportTable,
    scope: &'a RunScope,
    /// The generation of the first run of the same sync, where there was one before this.
    first: Option<i64>,
    stored: StoredItems,
    counts: &'a mut SinkCounts,
}

impl Run<'_> {
    /// Those of a chunk's items that are to be written.
    fn unwritten(&mut self, mut chunk: Vec<ReportItem>) -> Vec<ReportItem> {
        chunk.retain(|item| {
            self.stored.keep(item.sort_key());
            let digest = item.content_digest();
            let writer =
                digest.and_then(|it| self.stored.written_by(item.sort_key(), it, self.scope.generation));
            let Some(writer) = writer else { return true };
            if self.first.is_some_and(|first| first <= writer) {
                // written by an earlier run of this sync, which has counted it
                return false;
            }
            self.counts.unchanged += u64::from(!self.scope.rewrite);
            self.scope.rewrite
        });
        chunk
    }

    fn ended(&mut self, outcome: PutOutcome) {
        self.counts.written += outcome.written;
        if outcome.written > 0 {
            self.scope.progress.note_written();
        }
        for refusal in outcome.refused {
            self.stored.forsake(&refusal.sort_key);
            self.counts.problems.add(ProblemKind::ItemRefused, refused(self.table, &refusal));
        }
    }
}

/// Goes on with a panic of work on a table's items; else says why it did not end.
fn resumed(crash: JoinError, table: ReportTable) -> SinkError {
    match crash.try_into_panic() {
        Ok(panic) => panic::resume_unwind(panic),
        Err(cancelled) => {
            SinkError::Output { what: format!("items of {}", table.default_name()), cause: cancelled.into() }
        }
    }
}

fn refused(table: ReportTable, refusal: &Refusal) -> String {
    format!("{} {}: {}", table.default_name(), refusal.sort_key, refusal.reason)
}

impl ResultSink for ReportSink {
    fn sink(&self) -> Sink {
        Sink::Reports
    }

    fn writer(
        &self,
        _quiz: &Quiz,
        _session: &TestSession,
        _scope: &RunScope,
    ) -> Result<Box<dyn SessionWriter>, SinkError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl SessionWriter for ReportSink {
    fn wants_attempts(&self) -> bool {
        false
    }

    async fn finish(
        self: Box<Self>,
        test: &SessionResult,
        stamp: Stamp,
        scope: &RunScope,
    ) -> Result<SinkCounts, SinkError> {
        let mut counts = SinkCounts { problems: reports::key_problems(test), ..SinkCounts::default() };
        let of_this_test = reports::tables(test, self.formats);
        for table in ReportTable::ALL.into_iter().filter(|table| self.is_written(*table)) {
            let items = if of_this_test.contains(&table) {
                reports::items(test, table, stamp)
            } else {
                Box::new(std::iter::empty())
            };
            self.bring(table, &test.session.session_id, items, scope, &mut counts).await?;
        }
        Ok(counts)
    }
}
