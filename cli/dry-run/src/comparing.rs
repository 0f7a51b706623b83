use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use quiz_domain::reports::{ReportItem, ReportTable};
use quiz_pipeline::ports::{Fence, PutOutcome, Refusal, ReportReader, ReportStore, StoreError};
use tokio::sync::Mutex;

use crate::comparison::Comparison;

/// Tells what a store would refuse, without asking it.
pub type CanHold = fn(&ReportItem) -> Result<(), Refusal>;

/// The store of one session as the sink sees it: what is put is compared with what is stored, and nothing is
/// written.
pub struct ComparingStore {
    reader: Arc<dyn ReportReader>,
    can_hold: CanHold,
    session_id: String,
    comparison: Mutex<Comparison>,
}

impl ComparingStore {
    pub fn new(reader: Arc<dyn ReportReader>, can_hold: CanHold, session_id: &str) -> Self {
        Self { reader, can_hold, session_id: session_id.to_owned(), comparison: Mutex::default() }
    }

    /// What has been compared; the next comparison begins anew.
    pub async fn take(&self) -> Comparison {
        std::mem::take(&mut *self.comparison.lock().await)
    }

    /// Reads the table's stored items, once.
    async fn turn_to(&self, comparison: &mut Comparison, table: ReportTable) -> Result<(), StoreError> {
        if comparison.is_at(table) {
            return Ok(());
        }
        comparison.turn_to(table);
        let mut items = self.reader.session_items(table, &self.session_id);
        while let Some(item) = items.try_next().await? {
            comparison.take_stored(table, &item);
        }
        Ok(())
    }
}

#[async_trait]
impl ReportStore for ComparingStore {
    async fn put(
        &self,
        table: ReportTable,
        items: Vec<ReportItem>,
        _fence: &Fence,
    ) -> Result<PutOutcome, StoreError> {
        let mut comparison = self.comparison.lock().await;
        self.turn_to(&mut comparison, table).await?;
        let mut outcome = PutOutcome::default();
        for item in &items {
            let refuse = |reason: String| Refusal { sort_key: item.sort_key().to_owned(), reason };
            let taken = (self.can_hold)(item)
                .and_then(|()| comparison.take_written(item).map_err(|error| refuse(error.to_string())));
            match taken {
                Ok(()) => outcome.written += 1,
                Err(refusal) => outcome.refused.push(refusal),
            }
        }
        Ok(outcome)
    }

    async fn retain(
        &self,
        table: ReportTable,
        _session_id: &str,
        keep: &HashSet<String>,
        _generation: i64,
        _fence: &Fence,
    ) -> Result<u64, StoreError> {
        let mut comparison = self.comparison.lock().await;
        self.turn_to(&mut comparison, table).await?;
        Ok(comparison.end(keep))
    }
}
