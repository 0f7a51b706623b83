use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use quiz_domain::reports::{self, ReportFormats, ReportItem, ReportTable, Stamp};
use quiz_domain::{ProblemKind, Quiz, TakenAttempt, Test, TestSession};

use quiz_sync_state::REPORTS;

use crate::parts::PartKey;
use crate::ports::ReportStore;
use crate::scope::RunScope;
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

    /// Writes a part of a table, unless an earlier run that had to stop has written just that.
    async fn put(
        &self,
        table: ReportTable,
        items: Vec<ReportItem>,
        scope: &RunScope,
        keep: &mut HashSet<String>,
        counts: &mut SinkCounts,
    ) -> Result<(), SinkError> {
        let part = Part::of(table, &items)?;
        keep.extend(items.iter().map(|item| item.sort_key().to_owned()));
        if scope.written.has(part.key(), part.digest) {
            return Ok(());
        }
        scope.written.begin(part.key());
        let outcome = self.store.put(table, items, &scope.fence).await?;
        counts.written += outcome.written;
        if outcome.refused.is_empty() {
            scope.written.end(part.key(), part.digest);
        }
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
        REPORTS
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

    async fn finish(
        self: Box<Self>,
        test: &Test,
        stamp: Stamp,
        scope: &RunScope,
    ) -> Result<SinkCounts, SinkError> {
        let of_items = scope.written.stamp(stamp);
        let mut counts = SinkCounts { problems: reports::key_problems(test), ..SinkCounts::default() };
        let of_this_test = reports::tables(test, self.formats);
        for table in ReportTable::ALL.into_iter().filter(|table| self.is_written(*table)) {
            let mut keep = HashSet::new();
            if of_this_test.contains(&table) {
                let mut items = reports::items(test, table, of_items).peekable();
                while let Some(first) = items.next() {
                    let mut chunk = vec![first];
                    while let Some(item) = items.next_if(|it| chunk.len() < CHUNK && go_together(&chunk, it))
                    {
                        chunk.push(item);
                    }
                    self.put(table, chunk, scope, &mut keep, &mut counts).await?;
                }
            }
            scope.written.forget_others(&format!("{}#", table.default_name()));
            let session_id = &test.session.session_id;
            counts.deleted +=
                self.store.retain(table, session_id, &keep, stamp.generation, &scope.fence).await?;
        }
        Ok(counts)
    }
}

/// Whether an item can be of the same part: of a section's items the sort keys make a range.
fn go_together(part: &[ReportItem], next: &ReportItem) -> bool {
    part.last().is_none_or(|last| group(last) == group(next))
}

fn group(item: &ReportItem) -> &str {
    match item {
        ReportItem::Section(item) => &item.section,
        ReportItem::Student(_) | ReportItem::FormResponse(_) => "",
    }
}

/// A range of a table's items that is written as one.
struct Part {
    group: String,
    first: String,
    last: String,
    digest: u64,
}

impl Part {
    fn of(table: ReportTable, items: &[ReportItem]) -> Result<Self, SinkError> {
        let mut digest = DefaultHasher::new();
        for item in items {
            let json = serde_json::to_vec(item).map_err(|error| SinkError::Output {
                what: format!("item {} of {}", item.sort_key(), table.default_name()),
                cause: error.into(),
            })?;
            json.hash(&mut digest);
        }
        let keys = || items.iter().map(ReportItem::sort_key);
        Ok(Self {
            group: format!("{}#{}", table.default_name(), items.first().map(group).unwrap_or_default()),
            first: keys().min().unwrap_or_default().to_owned(),
            last: keys().max().unwrap_or_default().to_owned(),
            digest: digest.finish(),
        })
    }

    fn key(&self) -> PartKey<'_> {
        PartKey { group: &self.group, first: &self.first, last: &self.last }
    }
}
