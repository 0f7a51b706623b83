use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use quiz_domain::reports::{ContentDigest, ReportItem, ReportTable};
use quiz_pipeline::ports::{Fence, PutOutcome, Refusal, ReportReader, ReportStore, StoreError, StoredItems};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::dry_run::comparison::{Comparison, text};

/// Checks without a call whether the store would accept an item.
pub type CanHold = fn(&ReportItem) -> Result<(), Refusal>;

/// A report store for the dry run of one test session: it compares new items with stored ones and writes nothing.
pub struct ComparingStore {
    reader: Arc<dyn ReportReader>,
    can_hold: CanHold,
    comparison: Mutex<Comparison>,
}

impl ComparingStore {
    pub fn new(reader: Arc<dyn ReportReader>, can_hold: CanHold) -> Self {
        Self { reader, can_hold, comparison: Mutex::default() }
    }

    /// Takes the comparison and starts a new one.
    pub async fn take(&self) -> Comparison {
        std::mem::take(&mut *self.comparison.lock().await)
    }
}

#[async_trait]
impl ReportStore for ComparingStore {
    async fn stored(&self, table: ReportTable, session_id: &str) -> Result<StoredItems, StoreError> {
        let mut comparison = self.comparison.lock().await;
        comparison.start_table(table);
        let mut stored = StoredItems::default();
        let mut items = self.reader.session_items(table, session_id);
        while let Some(item) = items.try_next().await? {
            if let Some(sort_key) = text(&item, table.sort_key()) {
                let digest = text(&item, ContentDigest::ATTRIBUTE).and_then(ContentDigest::parse);
                let generation = item.get("sync_generation").and_then(Value::as_i64);
                stored.add(sort_key, digest, generation);
                comparison.add_stored(table, sort_key, &item);
            }
        }
        Ok(stored)
    }

    async fn put(
        &self,
        _table: ReportTable,
        items: Vec<ReportItem>,
        _fence: &Fence,
    ) -> Result<PutOutcome, StoreError> {
        let mut comparison = self.comparison.lock().await;
        let mut outcome = PutOutcome::default();
        for item in &items {
            let refuse = |reason: String| Refusal { sort_key: item.sort_key().to_owned(), reason };
            let taken = (self.can_hold)(item)
                .and_then(|()| comparison.add_new(item).map_err(|error| refuse(error.to_string())));
            match taken {
                Ok(()) => outcome.written += 1,
                Err(refusal) => outcome.refused.push(refusal),
            }
        }
        Ok(outcome)
    }

    async fn delete(
        &self,
        _table: ReportTable,
        _session_id: &str,
        sort_keys: Vec<String>,
        _fence: &Fence,
    ) -> Result<u64, StoreError> {
        Ok(self.comparison.lock().await.add_deleted(&sort_keys))
    }
}
