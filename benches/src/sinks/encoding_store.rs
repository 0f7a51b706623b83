use async_trait::async_trait;
use quiz_domain::reports::{ReportItem, ReportTable};
use quiz_dynamo::can_hold;
use quiz_pipeline::ports::{Fence, PutOutcome, ReportStore, StoreError, StoredItems};

/// An empty store that encodes each item as DynamoDB attributes, like `quiz-dynamo`, and discards them.
#[derive(Clone, Copy, Debug, Default)]
pub struct EncodingStore;

#[async_trait]
impl ReportStore for EncodingStore {
    async fn stored(&self, _table: ReportTable, _session_id: &str) -> Result<StoredItems, StoreError> {
        Ok(StoredItems::default())
    }

    async fn put(
        &self,
        _table: ReportTable,
        items: Vec<ReportItem>,
        _fence: &Fence,
    ) -> Result<PutOutcome, StoreError> {
        let mut outcome = PutOutcome::default();
        for item in items {
            match can_hold(&item) {
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
        _sort_keys: Vec<String>,
        _fence: &Fence,
    ) -> Result<u64, StoreError> {
        Ok(0)
    }
}
