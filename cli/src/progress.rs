//! Wraps the ports of the pipeline to count attempts, items and rows on progress bars.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bson::{Bson, Document};
use futures::{StreamExt, TryStreamExt};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use quiz_domain::reports::{ReportItem, ReportTable};
use quiz_domain::rows::RowBatch;
use quiz_pipeline::ports::{
    AnswerSource, AttemptBatch, AttemptStream, DocumentStream, Fence, PutOutcome, QuizDocuments, ReportStore,
    SourceError, StagedSession, StoreError, StoredItems, Warehouse, WarehouseBatch, WarehouseError,
};

use crate::ui::Terminal;

/// Three counters: attempts read, report items written, warehouse rows encoded.
#[derive(Clone)]
pub struct Progress {
    bars: MultiProgress,
    read: ProgressBar,
    written: ProgressBar,
    rows: ProgressBar,
}

impl Progress {
    #[must_use]
    pub fn new(terminal: Terminal) -> Self {
        let target =
            if terminal.progress { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        let bar = |what: &'static str| {
            let bar = bars.add(ProgressBar::no_length());
            let style = ProgressStyle::with_template("{spinner} {msg} {human_pos} ({per_sec})");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_message(what);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        };
        Self { read: bar("attempts read"), written: bar("items written"), rows: bar("rows encoded"), bars }
    }

    pub fn finish(&self) {
        self.read.finish_and_clear();
        self.written.finish_and_clear();
        self.rows.finish_and_clear();
        let _ = self.bars.clear();
    }
}

pub struct CountedSource {
    pub source: Arc<dyn AnswerSource>,
    pub progress: Progress,
}

#[async_trait]
impl AnswerSource for CountedSource {
    async fn quiz(&self, quiz_id: &str) -> Result<Option<QuizDocuments>, SourceError> {
        self.source.quiz(quiz_id).await
    }

    async fn attempt_heads<'a>(&'a self, quiz_id: &'a str) -> Result<DocumentStream<'a>, SourceError> {
        self.source.attempt_heads(quiz_id).await
    }

    async fn heads_of(&self, quiz_id: &str, user_ids: &[String]) -> Result<Vec<Document>, SourceError> {
        self.source.heads_of(quiz_id, user_ids).await
    }

    async fn attempts<'a>(
        &'a self,
        quiz_id: &'a str,
        keys: Vec<Bson>,
    ) -> Result<AttemptStream<'a>, SourceError> {
        let batches = self.source.attempts(quiz_id, keys).await?;
        let read = self.progress.read.clone();
        let count = move |batch: &AttemptBatch| read.inc(batch.len().try_into().unwrap_or(u64::MAX));
        Ok(batches.inspect_ok(count).boxed())
    }
}

pub struct CountedStore {
    pub store: Arc<dyn ReportStore>,
    pub progress: Progress,
}

#[async_trait]
impl ReportStore for CountedStore {
    async fn put(
        &self,
        table: ReportTable,
        items: Vec<ReportItem>,
        fence: &Fence,
    ) -> Result<PutOutcome, StoreError> {
        let outcome = self.store.put(table, items, fence).await?;
        self.progress.written.inc(outcome.written);
        Ok(outcome)
    }

    async fn stored(&self, table: ReportTable, session_id: &str) -> Result<StoredItems, StoreError> {
        self.store.stored(table, session_id).await
    }

    async fn delete(
        &self,
        table: ReportTable,
        session_id: &str,
        sort_keys: Vec<String>,
        fence: &Fence,
    ) -> Result<u64, StoreError> {
        self.store.delete(table, session_id, sort_keys, fence).await
    }
}

pub struct CountedWarehouse {
    pub warehouse: Arc<dyn Warehouse>,
    pub progress: Progress,
}

impl Warehouse for CountedWarehouse {
    fn begin(&self) -> Result<Arc<dyn WarehouseBatch>, WarehouseError> {
        let batch = self.warehouse.begin()?;
        Ok(Arc::new(CountedBatch { batch, rows: self.progress.rows.clone() }))
    }
}

struct CountedBatch {
    batch: Arc<dyn WarehouseBatch>,
    rows: ProgressBar,
}

#[async_trait]
impl WarehouseBatch for CountedBatch {
    async fn stage(&self, session_id: &str, rows: RowBatch) -> Result<(), WarehouseError> {
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        self.batch.stage(session_id, rows).await?;
        self.rows.inc(count);
        Ok(())
    }

    async fn replace(&self, tests: &[StagedSession]) -> Vec<Result<(), WarehouseError>> {
        self.batch.replace(tests).await
    }
}
