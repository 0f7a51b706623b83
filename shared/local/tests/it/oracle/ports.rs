//! The embedded adapters; the scheduler controls each of their calls.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bson::{Bson, Document};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use quiz_domain::reports::{ReportItem, ReportTable};
use quiz_domain::rows::RowBatch;
use quiz_events::{ParkCause, QueueError, QueueMessage, SourceQueue};
use quiz_local::MemoryQueue;
use quiz_pipeline::ports::{
    AnswerSource, AttemptBatch, AttemptStream, DocumentStream, Fence, PutOutcome, QuizDocuments, ReportStore,
    SnapshotStore, SourceError, StagedSession, StoreError, StoredItems, Warehouse, WarehouseBatch,
    WarehouseError,
};
use quiz_sync_state::{StateError, StateKey, SyncState, SyncStates};

use crate::oracle::bugs::Bug;
use crate::oracle::late::Write;
use crate::oracle::sim::Party;

/// One worker's port.
pub struct Simulated<T: ?Sized> {
    pub party: Party,
    pub bug: Option<Bug>,
    pub inner: Arc<T>,
}

fn source_failed() -> SourceError {
    SourceError::Unavailable { what: "documents".into(), cause: "simulated".into() }
}

#[async_trait]
impl AnswerSource for Simulated<dyn AnswerSource> {
    async fn quiz(&self, quiz_id: &str) -> Result<Option<QuizDocuments>, SourceError> {
        self.party.call("read quiz", source_failed, self.inner.quiz(quiz_id)).await
    }

    async fn attempt_heads<'a>(&'a self, quiz_id: &'a str) -> Result<DocumentStream<'a>, SourceError> {
        let read = async { self.inner.attempt_heads(quiz_id).await?.try_collect::<Vec<Document>>().await };
        let heads = self.party.call("read heads", source_failed, read).await?;
        Ok(stream::iter(heads.into_iter().map(Ok)).boxed())
    }

    async fn heads_of(&self, quiz_id: &str, user_ids: &[String]) -> Result<Vec<Document>, SourceError> {
        self.party.call("check users", source_failed, self.inner.heads_of(quiz_id, user_ids)).await
    }

    async fn attempts<'a>(
        &'a self,
        quiz_id: &'a str,
        keys: Vec<Bson>,
    ) -> Result<AttemptStream<'a>, SourceError> {
        let read =
            async { self.inner.attempts(quiz_id, keys).await?.try_collect::<Vec<AttemptBatch>>().await };
        let documents = self.party.call("read attempts", source_failed, read).await?;
        Ok(stream::iter(documents.into_iter().map(Ok)).boxed())
    }
}

fn store_failed() -> StoreError {
    StoreError::Unavailable { action: "write", table: "t".into(), cause: "simulated".into() }
}

impl<T: ?Sized> Simulated<T> {
    /// The fence of each write; an open one where [`Bug::NoFence`] is planted.
    fn fence(&self, fence: &Fence) -> Fence {
        if self.bug == Some(Bug::NoFence) { Fence::open() } else { fence.clone() }
    }
}

impl Simulated<dyn ReportStore> {
    /// Makes one write request. Where the request fails, the store can apply the same write, `late`, some time later.
    async fn write<T>(
        &self,
        what: &'static str,
        fence: &Fence,
        write: impl Future<Output = Result<T, StoreError>>,
        late: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Some(sent) = fence.send() else {
            return Err(StoreError::LeaseOver { table: "t".into() });
        };
        let sent_at = Timestamp::from_millisecond(sent.sent_at()).unwrap();
        let apply = Box::pin(async move { drop(late.await) });
        let answer = self.party.write(what, store_failed, Write { sent_at, apply }, write).await?;
        sent.answered();
        Ok(answer)
    }
}

#[async_trait]
impl ReportStore for Simulated<dyn ReportStore> {
    async fn put(
        &self,
        table: ReportTable,
        items: Vec<ReportItem>,
        fence: &Fence,
    ) -> Result<PutOutcome, StoreError> {
        // a few items at a time, so that a run can stop in the middle
        let (fence, mut all) = (self.fence(fence), PutOutcome::default());
        for part in items.chunks(4) {
            let put = self.inner.put(table, part.to_vec(), &fence);
            let (inner, part) = (Arc::clone(&self.inner), part.to_vec());
            let late = async move { inner.put(table, part, &Fence::open()).await };
            let outcome = self.write("write items", &fence, put, late).await?;
            all.written += outcome.written;
            all.refused.extend(outcome.refused);
        }
        Ok(all)
    }

    async fn stored(&self, table: ReportTable, session_id: &str) -> Result<StoredItems, StoreError> {
        self.party.call("look up items", store_failed, self.inner.stored(table, session_id)).await
    }

    async fn delete(
        &self,
        table: ReportTable,
        session_id: &str,
        sort_keys: Vec<String>,
        fence: &Fence,
    ) -> Result<u64, StoreError> {
        let fence = self.fence(fence);
        let delete = self.inner.delete(table, session_id, sort_keys.clone(), &fence);
        let (inner, session) = (Arc::clone(&self.inner), session_id.to_owned());
        let late = async move { inner.delete(table, &session, sort_keys, &Fence::open()).await };
        self.write("delete items", &fence, delete, late).await
    }
}

#[async_trait]
impl SnapshotStore for Simulated<dyn SnapshotStore> {
    async fn load(&self, quiz_id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.party.call("load snapshot", store_failed, self.inner.load(quiz_id)).await
    }

    async fn save(&self, quiz_id: &str, snapshot: Vec<u8>) -> Result<(), StoreError> {
        self.party.call("save snapshot", store_failed, self.inner.save(quiz_id, snapshot)).await
    }
}

impl Warehouse for Simulated<dyn Warehouse> {
    fn begin(&self) -> Result<Arc<dyn WarehouseBatch>, WarehouseError> {
        let inner = self.inner.begin()?;
        Ok(Arc::new(Simulated { party: self.party.clone(), bug: self.bug, inner }))
    }
}

fn warehouse_failed() -> WarehouseError {
    WarehouseError::unavailable("write rows", "simulated")
}

#[async_trait]
impl WarehouseBatch for Simulated<dyn WarehouseBatch> {
    async fn stage(&self, session_id: &str, rows: RowBatch) -> Result<(), WarehouseError> {
        self.party.call("stage rows", warehouse_failed, self.inner.stage(session_id, rows)).await
    }

    async fn replace(&self, tests: &[StagedSession]) -> Vec<Result<(), WarehouseError>> {
        let fenced = |test: &StagedSession| StagedSession { fence: self.fence(&test.fence), ..test.clone() };
        let tests: Vec<StagedSession> = tests.iter().map(fenced).collect();
        let replace = async { Ok(self.inner.replace(&tests).await) };
        let replaced = self.party.call("replace rows", warehouse_failed, replace).await;
        replaced.unwrap_or_else(|error| tests.iter().map(|_| Err(error.clone())).collect())
    }
}

fn state_failed() -> StateError {
    StateError::Unavailable { action: "store", session_id: "s".into(), cause: "simulated".into() }
}

#[async_trait]
impl SyncStates for Simulated<dyn SyncStates> {
    async fn get(&self, key: &StateKey) -> Result<SyncState, StateError> {
        self.party.call("read state", state_failed, self.inner.get(key)).await
    }

    async fn swap(&self, key: &StateKey, seen: &SyncState, next: &SyncState) -> Result<bool, StateError> {
        let is_join = seen.lease.is_some() && next.lease == seen.lease;
        let is_finish = next.synced_through > seen.synced_through;
        let swap = async {
            match self.bug {
                Some(Bug::BlindJoin) if is_join => self.blind_join(key, next).await,
                Some(Bug::ReadCoversItsOwnTime) if is_finish => {
                    let next = SyncState { synced_through: next.synced_through + 1, ..next.clone() };
                    self.inner.swap(key, seen, &next).await
                }
                _ => self.inner.swap(key, seen, next).await,
            }
        };
        self.party.call("store state", state_failed, swap).await
    }

    async fn get_unfinished(&self) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        self.party.call("read state", state_failed, self.inner.get_unfinished()).await
    }

    async fn get_by_quiz(&self, quiz_ids: &[String]) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        self.party.call("read state", state_failed, self.inner.get_by_quiz(quiz_ids)).await
    }
}

impl Simulated<dyn SyncStates> {
    /// Raises the requested time without a check of the lease.
    async fn blind_join(&self, key: &StateKey, next: &SyncState) -> Result<bool, StateError> {
        let stored = self.inner.get(key).await?;
        let requested_through = stored.requested_through.max(next.requested_through);
        self.inner.swap(key, &stored, &SyncState { requested_through, ..stored.clone() }).await
    }
}

#[async_trait]
impl SourceQueue for Simulated<MemoryQueue> {
    async fn park(&self, message: &QueueMessage, cause: &ParkCause) -> Result<(), QueueError> {
        let failed = || message_failed("park", message);
        self.party.call("park", failed, self.inner.park(message, cause)).await
    }

    async fn send(&self, body: &str, event_type: &str, delay: Duration) -> Result<String, QueueError> {
        let failed = || QueueError::Send { queue: "q".into(), cause: "simulated".into() };
        self.party
            .call("send follow-up", failed, SourceQueue::send(&*self.inner, body, event_type, delay))
            .await
    }

    async fn acknowledge(&self, messages: &[&QueueMessage]) -> Result<(), QueueError> {
        let failed = || QueueError::Acknowledge {
            queue: "q".into(),
            messages: messages.len(),
            cause: "simulated".into(),
        };
        self.party.call("acknowledge early", failed, SourceQueue::acknowledge(&*self.inner, messages)).await
    }

    async fn delay(&self, message: &QueueMessage, delay: Duration) -> Result<(), QueueError> {
        let failed = || message_failed("delay", message);
        self.party.call("delay", failed, self.inner.delay(message, delay)).await
    }

    async fn max_receive_count(&self) -> Result<Option<u32>, QueueError> {
        SourceQueue::max_receive_count(&*self.inner).await
    }
}

impl Simulated<MemoryQueue> {
    pub async fn delete_answered(&self, message: &QueueMessage) {
        let delete = async { Ok::<_, ()>(self.inner.delete(&message.receipt_handle)) };
        let _ = self.party.call("acknowledge", || (), delete).await;
    }
}

fn message_failed(action: &'static str, message: &QueueMessage) -> QueueError {
    let message_id = message.message_id.clone();
    QueueError::Message { action, message_id, cause: "simulated".into() }
}
