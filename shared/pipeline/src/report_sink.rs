use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use quiz_domain::reports::{self, ReportFormats, ReportItem, ReportTable, Stamp};
use quiz_domain::{ProblemKind, Quiz, TakenAttempt, Test, TestSession};

use crate::ports::ReportStore;
use crate::sink::{ResultSink, SinkBatch, SinkCounts, SinkError, TestWriter};

/// How many items are handed to the store at once: what lies in memory beside the result.
const CHUNK: usize = 1_000;

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

    async fn put(
        &self,
        table: ReportTable,
        items: Vec<ReportItem>,
        keep: &mut HashSet<String>,
        counts: &mut SinkCounts,
    ) -> Result<(), SinkError> {
        let keys: Vec<String> = items.iter().map(|item| item.sort_key().to_owned()).collect();
        let outcome = self.store.put(table, items).await?;
        counts.written += outcome.written;
        keep.extend(keys);
        for refusal in outcome.refused {
            keep.remove(&refusal.sort_key);
            let example = format!("{} {}: {}", table.default_name(), refusal.sort_key, refusal.reason);
            counts.problems.add(ProblemKind::ItemRefused, example);
        }
        Ok(())
    }
}

impl ResultSink for ReportSink {
    fn name(&self) -> &'static str {
        "reports"
    }

    fn begin(&self) -> Result<Arc<dyn SinkBatch>, SinkError> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl SinkBatch for ReportSink {
    fn test(&self, _quiz: &Quiz, _session: &TestSession) -> Box<dyn TestWriter> {
        Box::new(self.clone())
    }

    fn commits_together(&self) -> bool {
        false
    }

    async fn commit(&self, session_ids: &[String]) -> Vec<Result<(), SinkError>> {
        session_ids.iter().map(|_| Ok(())).collect()
    }
}

#[async_trait]
impl TestWriter for ReportSink {
    async fn take(&mut self, _quiz: &Quiz, _attempt: &TakenAttempt) -> Result<(), SinkError> {
        Ok(())
    }

    async fn finish(self: Box<Self>, test: &Test, stamp: Stamp) -> Result<SinkCounts, SinkError> {
        let mut counts = SinkCounts { problems: reports::key_problems(test), ..SinkCounts::default() };
        let of_this_test = reports::tables(test, self.formats);
        for table in ReportTable::ALL.into_iter().filter(|table| self.is_written(*table)) {
            let mut keep = HashSet::new();
            if of_this_test.contains(&table) {
                let mut items = reports::items(test, table, stamp);
                loop {
                    let chunk: Vec<ReportItem> = items.by_ref().take(CHUNK).collect();
                    if chunk.is_empty() {
                        break;
                    }
                    self.put(table, chunk, &mut keep, &mut counts).await?;
                }
            }
            counts.deleted +=
                self.store.retain(table, &test.session.session_id, &keep, stamp.generation).await?;
        }
        Ok(counts)
    }
}
