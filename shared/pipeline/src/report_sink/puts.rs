use std::sync::Arc;

use quiz_domain::reports::{ReportItem, ReportTable};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::resumed;
use crate::ports::{Fence, PutOutcome, ReportStore};
use crate::sink::SinkError;

/// How many chunks are on their way at once: while the last requests of one are waited for, others go on.
const PUTS: usize = 4;

/// Chunks on their way into a table, each by a task of its own: what a store does to encode them is done on all
/// cores. Dropping it ends them.
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
        self.tasks.len() < PUTS
    }

    pub fn push(&mut self, items: Vec<ReportItem>) {
        let (store, table, fence) = (Arc::clone(&self.store), self.table, self.fence.clone());
        let put = async move { Ok(store.put(table, items, &fence).await?) };
        self.tasks.spawn(put.in_current_span());
    }

    /// The next one that has ended; `None` where none is under way.
    pub async fn next(&mut self) -> Option<Result<PutOutcome, SinkError>> {
        let ended = self.tasks.join_next().await?;
        Some(ended.unwrap_or_else(|crash| Err(resumed(crash, self.table))))
    }
}
