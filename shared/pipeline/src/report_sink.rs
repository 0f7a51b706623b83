//! Writes the reports of one test session into the report tables.
//!
//! Problem: a test session has up to some 100,000 items, and a sync usually changes few of them. Idea: each item has a
//! digest of its content. The sink reads the stored digests, puts the items whose digest differs, and deletes leftover
//! items.
//!
//! - After a finished sync a table has exactly the items of the result, but for items that the store refuses.
//! - An item that a later run wrote is not deleted.
//! - Each write checks the fence. After an error no new chunk starts, and running puts are awaited: no write may arrive
//!   after the run has ended.
//! - A forced sync also rewrites unchanged items, except items that an earlier run of the same sync has rewritten.
//!
//! See docs/decisions/0003-stale-items.md and docs/decisions/0011-unchanged-items.md.

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
use sealed::seal_chunks;

/// Writes the reports of a test session, and deletes reports that the result no longer has. Each test session is written
/// alone, as soon as it is ranked.
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

    /// Replaces the items of a test session in a table: puts items that differ, then deletes leftover items.
    async fn replace_items(
        &self,
        table: ReportTable,
        session_id: &str,
        items: Box<dyn Iterator<Item = ReportItem> + Send + '_>,
        scope: &RunScope,
        counts: &mut SinkCounts,
    ) -> Result<(), SinkError> {
        let stored = self.store.stored(table, session_id).await?;
        let first = scope.progress.first(scope.rewrite);
        let mut write = TableWrite { table, scope, first, stored, counts };
        let mut chunks = seal_chunks(table, items);
        let mut puts = Puts::new(Arc::clone(&self.store), table, scope.fence.clone());
        let mut failure = None;
        loop {
            let is_free = failure.is_none() && puts.has_room();
            tokio::select! {
                biased;
                Some(ended) = puts.next() => match ended {
                    Ok(outcome) => write.add_outcome(outcome),
                    // running puts are still awaited: none may arrive after the run has ended
                    Err(error) => failure = failure.or(Some(error)),
                },
                Some(chunk) = chunks.next(), if is_free => match chunk {
                    Ok(chunk) => {
                        let items = write.select_changed(chunk);
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
        let stale: Vec<String> = write.stored.stale(scope.generation).map(str::to_owned).collect();
        drop(write.stored);
        if !stale.is_empty() {
            scope.progress.note_begun();
            counts.deleted += self.store.delete(table, session_id, stale, &scope.fence).await?;
        }
        Ok(())
    }
}

/// The replacement of one table's items, as far as it has come.
struct TableWrite<'a> {
    table: ReportTable,
    scope: &'a RunScope,
    /// The generation of the first earlier run of the same sync, if there was one.
    first: Option<i64>,
    stored: StoredItems,
    counts: &'a mut SinkCounts,
}

impl TableWrite<'_> {
    /// Selects the items of a chunk that must be written, and counts the unchanged ones.
    fn select_changed(&mut self, mut chunk: Vec<ReportItem>) -> Vec<ReportItem> {
        chunk.retain(|item| {
            self.stored.keep(item.sort_key());
            let writer = item
                .content_digest()
                .and_then(|digest| self.stored.written_by(item.sort_key(), digest, self.scope.generation));
            let Some(writer) = writer else { return true };
            if self.first.is_some_and(|first| first <= writer) {
                // an earlier run of this sync has written and counted this item
                return false;
            }
            self.counts.unchanged += u64::from(!self.scope.rewrite);
            self.scope.rewrite
        });
        chunk
    }

    fn add_outcome(&mut self, outcome: PutOutcome) {
        self.counts.written += outcome.written;
        if outcome.written > 0 {
            self.scope.progress.note_written();
        }
        for refusal in outcome.refused {
            self.stored.discard(&refusal.sort_key);
            self.counts.problems.add(ProblemKind::ItemRefused, describe_refusal(self.table, &refusal));
        }
    }
}

/// Resumes the panic of a task on a table's items; a cancelled task is an error.
fn resume_panic(crash: JoinError, table: ReportTable) -> SinkError {
    match crash.try_into_panic() {
        Ok(panic) => panic::resume_unwind(panic),
        Err(cancelled) => {
            SinkError::Output { what: format!("items of {}", table.default_name()), cause: cancelled.into() }
        }
    }
}

fn describe_refusal(table: ReportTable, refusal: &Refusal) -> String {
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
        let session_tables = reports::tables(test, self.formats);
        for table in ReportTable::ALL.into_iter().filter(|table| self.is_written(*table)) {
            let items = if session_tables.contains(&table) {
                reports::items(test, table, stamp)
            } else {
                Box::new(std::iter::empty())
            };
            self.replace_items(table, &test.session.session_id, items, scope, &mut counts).await?;
        }
        Ok(counts)
    }
}
