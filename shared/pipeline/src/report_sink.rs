use std::hash::{DefaultHasher, Hash, Hasher};
use std::iter::Peekable;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use quiz_domain::reports::{self, ReportFormats, ReportItem, ReportTable, Stamp};
use quiz_domain::{ProblemKind, Quiz, TakenAttempt, Test, TestSession};

use quiz_sync_state::REPORTS;

use crate::parts::PartKey;
use crate::ports::{Refusal, ReportStore, StoredItems};
use crate::scope::RunScope;
use crate::sink::{ResultSink, SinkBatch, SinkCounts, SinkError, TestWriter};

/// How many items are handed to the store at once: what lies in memory beside the result.
const CHUNK: usize = 1_000;
/// How many chunks are on their way at once: while the last requests of one are waited for, others go on.
const PUTS: usize = 4;

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
        let mut stored = self.store.stored(table, session_id).await?;
        let mut chunks = Chunks(items.peekable());
        let mut puts = FuturesUnordered::new();
        let mut failure = None;
        loop {
            while puts.len() < PUTS
                && failure.is_none()
                && let Some(chunk) = chunks.next()
            {
                let part = match Part::of(table, &chunk) {
                    Ok(part) => part,
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                };
                for item in &chunk {
                    stored.keep(item.sort_key());
                }
                // written by this sync, in an earlier step of it
                let is_noted = scope.written.has(part.key(), part.digest);
                let (to_write, unchanged) = changed(chunk, &stored, scope, is_noted);
                counts.unchanged += if is_noted { 0 } else { unchanged };
                if to_write.is_empty() {
                    scope.written.end(part.key(), part.digest, false);
                    continue;
                }
                scope.written.begin(part.key());
                let put = self.store.put(table, to_write, &scope.fence);
                puts.push(put.map(|outcome| (part, outcome)));
            }
            match puts.next().await {
                None => break,
                // those that are under way are waited for: none is to arrive after the run has ended
                Some((_, Err(error))) => failure = failure.or(Some(error.into())),
                Some((part, Ok(outcome))) => {
                    counts.written += outcome.written;
                    if outcome.refused.is_empty() {
                        scope.written.end(part.key(), part.digest, true);
                    }
                    for refusal in outcome.refused {
                        stored.forsake(&refusal.sort_key);
                        counts.problems.add(ProblemKind::ItemRefused, refused(table, &refusal));
                    }
                }
            }
        }
        if let Some(error) = failure {
            return Err(error);
        }
        scope.written.forget_others(&format!("{}#", table.default_name()));
        let stale: Vec<String> = stored.stale(scope.generation).map(str::to_owned).collect();
        drop(stored);
        if !stale.is_empty() {
            counts.deleted += self.store.delete(table, session_id, stale, &scope.fence).await?;
        }
        Ok(())
    }
}

/// Those of a chunk's items that are to be written, and how many others there are.
fn changed(
    mut chunk: Vec<ReportItem>,
    stored: &StoredItems,
    scope: &RunScope,
    is_noted: bool,
) -> (Vec<ReportItem>, u64) {
    let all = chunk.len();
    let is_there = |item: &ReportItem| {
        let digest = item.content_digest();
        digest.is_some_and(|digest| stored.has(item.sort_key(), digest, scope.generation))
    };
    chunk.retain(|item| !is_there(item) || (scope.rewrite && !is_noted));
    let unchanged = all - chunk.len();
    (chunk, u64::try_from(unchanged).unwrap_or(u64::MAX))
}

fn refused(table: ReportTable, refusal: &Refusal) -> String {
    format!("{} {}: {}", table.default_name(), refusal.sort_key, refusal.reason)
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
    fn wants_attempts(&self) -> bool {
        false
    }

    async fn take(&mut self, _quiz: &Quiz, _attempt: &TakenAttempt) -> Result<(), SinkError> {
        Ok(())
    }

    async fn finish(
        self: Box<Self>,
        test: &Test,
        stamp: Stamp,
        scope: &RunScope,
    ) -> Result<SinkCounts, SinkError> {
        scope.written.rewrite(scope.rewrite);
        let of_items = scope.written.stamp(stamp);
        let mut counts = SinkCounts { problems: reports::key_problems(test), ..SinkCounts::default() };
        let of_this_test = reports::tables(test, self.formats);
        for table in ReportTable::ALL.into_iter().filter(|table| self.is_written(*table)) {
            let items = if of_this_test.contains(&table) {
                reports::items(test, table, of_items)
            } else {
                Box::new(std::iter::empty())
            };
            self.bring(table, &test.session.session_id, items, scope, &mut counts).await?;
        }
        Ok(counts)
    }
}

/// Items, sealed, in chunks that are each written as one.
struct Chunks<I: Iterator<Item = ReportItem>>(Peekable<I>);

impl<I: Iterator<Item = ReportItem>> Iterator for Chunks<I> {
    type Item = Vec<ReportItem>;

    fn next(&mut self) -> Option<Vec<ReportItem>> {
        let mut chunk = vec![self.0.next()?];
        while let Some(item) = self.0.next_if(|item| chunk.len() < CHUNK && go_together(&chunk, item)) {
            chunk.push(item);
        }
        chunk.iter_mut().for_each(ReportItem::seal);
        Some(chunk)
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
            let content = item.content_digest().ok_or_else(|| SinkError::Output {
                what: format!("item {} of {}", item.sort_key(), table.default_name()),
                cause: "it cannot be written as JSON".into(),
            })?;
            (item.sort_key(), content).hash(&mut digest);
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
