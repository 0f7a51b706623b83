use std::sync::Arc;

use quiz_domain::reports::{ReportItem, ReportTable};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::resume_panic;
use crate::ports::{Fence, PutOutcome, ReportStore};
use crate::sink::SinkError;

/// Chunks put at the same time: while one chunk waits for its last requests, others go on.
const MOST_PUTS: usize = 4;

/// Running puts into a table, one task for each chunk, so that a store encodes chunks on all cores. Dropping this ends
/// the tasks.
pub(super) struct Puts {
    store: Arc<dyn ReportStore>,
    table: ReportTable,
    fence: Fence,
    tasks: JoinSet<Result<PutOutcome, SinkError>>,
}

impl Puts {
    pub fn new(store: Arc<dyn ReportStore>, table: ReportTable, fence: Fence) -> Self {
        Self { store, table, fence, tasks: JoinSet::new() }
    }

    pub fn has_room(&self) -> bool {
        self.tasks.len() < MOST_PUTS
    }

    pub fn push(&mut self, items: Vec<ReportItem>) {
        let (store, table, fence) = (Arc::clone(&self.store), self.table, self.fence.clone());
        let put = async move { Ok(store.put(table, items, &fence).await?) };
        self.tasks.spawn(put.in_current_span());
    }

    /// The result of the next put that ends; `None` if none is running.
    pub async fn next(&mut self) -> Option<Result<PutOutcome, SinkError>> {
        let ended = self.tasks.join_next().await?;
        Some(ended.unwrap_or_else(|crash| Err(resume_panic(crash, self.table))))
    }
}
