//! An adapter whose calls a test observes, delays or fails.

use std::sync::Arc;

use async_trait::async_trait;
use bson::{Bson, Document};
use quiz_domain::reports::{ReportItem, ReportTable};
use quiz_domain::rows::RowBatch;
use quiz_pipeline::ports::{
    AnswerSource, AttemptStream, DocumentStream, Fence, PutOutcome, QuizDocuments, ReportStore, SourceError,
    StagedSession, StoreError, StoredItems, Warehouse, WarehouseBatch, WarehouseError,
};
use quiz_sync_state::{StateError, StateKey, SyncState, SyncStates};

/// A call of a port, with the values that tests need.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    // AnswerSource
    Quiz { quiz_id: &'a str },
    AttemptHeads,
    HeadsOf,
    Attempts { documents: usize },
    // ReportStore
    PutItems { fence: &'a Fence },
    StoredItems,
    DeleteItems,
    // SyncStates
    GetState,
    SwapState,
    ListStates,
    // Warehouse
    StageRows,
    ReplaceRows,
}

/// A port whose calls can fail together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    AnswerSource,
    ReportStore,
    SyncStates,
    Warehouse,
}

impl Call<'_> {
    #[must_use]
    pub fn port(self) -> Port {
        match self {
            Self::Quiz { .. } | Self::AttemptHeads | Self::HeadsOf | Self::Attempts { .. } => {
                Port::AnswerSource
            }
            Self::PutItems { .. } | Self::StoredItems | Self::DeleteItems => Port::ReportStore,
            Self::GetState | Self::SwapState | Self::ListStates => Port::SyncStates,
            Self::StageRows | Self::ReplaceRows => Port::Warehouse,
        }
    }
}

/// The kind of a failure; each port has an error with the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFailure {
    Unavailable(&'static str),
    Refused(&'static str),
    /// [`SourceError::Corrupt`], or `Refused` in the other ports.
    Corrupt(&'static str),
}

/// A test's code around the calls of an adapter.
#[async_trait]
pub trait Hook: Send + Sync {
    /// Runs before the call. An error skips the adapter.
    async fn before(&self, _call: Call<'_>) -> Result<(), CallFailure> {
        Ok(())
    }

    /// Runs after a successful call.
    async fn after(&self, _call: Call<'_>) {}
}

/// An adapter with a hook around each of its calls.
pub struct Hooked<T: ?Sized, H: ?Sized> {
    pub inner: Arc<T>,
    pub hook: Arc<H>,
}

impl<T: ?Sized, H: Hook + ?Sized> Hooked<T, H> {
    #[must_use]
    pub fn new(inner: Arc<T>, hook: Arc<H>) -> Self {
        Self { inner, hook }
    }

    async fn around<A, E>(
        &self,
        call: Call<'_>,
        failed: impl FnOnce(CallFailure) -> E,
        answer: impl Future<Output = Result<A, E>>,
    ) -> Result<A, E> {
        self.hook.before(call).await.map_err(failed)?;
        let answer = answer.await?;
        self.hook.after(call).await;
        Ok(answer)
    }
}

fn source_failed(failure: CallFailure) -> SourceError {
    let what = "documents".to_owned();
    match failure {
        CallFailure::Unavailable(cause) => SourceError::Unavailable { what, cause: cause.into() },
        CallFailure::Refused(cause) => SourceError::Refused { what, cause: cause.into() },
        CallFailure::Corrupt(cause) => SourceError::Corrupt { what, cause: cause.into() },
    }
}

#[async_trait]
impl<T: AnswerSource + ?Sized, H: Hook + ?Sized> AnswerSource for Hooked<T, H> {
    async fn quiz(&self, quiz_id: &str) -> Result<Option<QuizDocuments>, SourceError> {
        self.around(Call::Quiz { quiz_id }, source_failed, self.inner.quiz(quiz_id)).await
    }

    async fn attempt_heads<'a>(&'a self, quiz_id: &'a str) -> Result<DocumentStream<'a>, SourceError> {
        self.around(Call::AttemptHeads, source_failed, self.inner.attempt_heads(quiz_id)).await
    }

    async fn heads_of(&self, quiz_id: &str, user_ids: &[String]) -> Result<Vec<Document>, SourceError> {
        self.around(Call::HeadsOf, source_failed, self.inner.heads_of(quiz_id, user_ids)).await
    }

    async fn attempts<'a>(
        &'a self,
        quiz_id: &'a str,
        keys: Vec<Bson>,
    ) -> Result<AttemptStream<'a>, SourceError> {
        let call = Call::Attempts { documents: keys.len() };
        self.around(call, source_failed, self.inner.attempts(quiz_id, keys)).await
    }
}

fn store_failed(action: &'static str, table: ReportTable) -> impl FnOnce(CallFailure) -> StoreError {
    let table = table.default_name().to_owned();
    move |failure| match failure {
        CallFailure::Unavailable(cause) => StoreError::Unavailable { action, table, cause: cause.into() },
        CallFailure::Refused(cause) | CallFailure::Corrupt(cause) => {
            StoreError::Refused { action, table, cause: cause.into() }
        }
    }
}

#[async_trait]
impl<T: ReportStore + ?Sized, H: Hook + ?Sized> ReportStore for Hooked<T, H> {
    async fn put(
        &self,
        table: ReportTable,
        items: Vec<ReportItem>,
        fence: &Fence,
    ) -> Result<PutOutcome, StoreError> {
        let put = self.inner.put(table, items, fence);
        self.around(Call::PutItems { fence }, store_failed("write to", table), put).await
    }

    async fn stored(&self, table: ReportTable, session_id: &str) -> Result<StoredItems, StoreError> {
        let stored = self.inner.stored(table, session_id);
        self.around(Call::StoredItems, store_failed("read", table), stored).await
    }

    async fn delete(
        &self,
        table: ReportTable,
        session_id: &str,
        sort_keys: Vec<String>,
        fence: &Fence,
    ) -> Result<u64, StoreError> {
        let delete = self.inner.delete(table, session_id, sort_keys, fence);
        self.around(Call::DeleteItems, store_failed("delete from", table), delete).await
    }
}

fn state_failed(action: &'static str, session_id: &str) -> impl FnOnce(CallFailure) -> StateError {
    let session_id = session_id.to_owned();
    move |failure| match failure {
        CallFailure::Unavailable(cause) => {
            StateError::Unavailable { action, session_id, cause: cause.into() }
        }
        CallFailure::Refused(cause) | CallFailure::Corrupt(cause) => {
            StateError::Refused { action, session_id, cause: cause.into() }
        }
    }
}

#[async_trait]
impl<T: SyncStates + ?Sized, H: Hook + ?Sized> SyncStates for Hooked<T, H> {
    async fn get(&self, key: &StateKey) -> Result<SyncState, StateError> {
        self.around(Call::GetState, state_failed("read", &key.session_id), self.inner.get(key)).await
    }

    async fn swap(&self, key: &StateKey, seen: &SyncState, next: &SyncState) -> Result<bool, StateError> {
        let swap = self.inner.swap(key, seen, next);
        self.around(Call::SwapState, state_failed("store", &key.session_id), swap).await
    }

    async fn get_many(&self, keys: &[StateKey]) -> Result<Vec<SyncState>, StateError> {
        self.around(Call::ListStates, state_failed("read", "(many)"), self.inner.get_many(keys)).await
    }

    async fn get_unfinished(&self) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        self.around(Call::ListStates, state_failed("read", "(all)"), self.inner.get_unfinished()).await
    }

    async fn get_by_quiz(&self, quiz_ids: &[String]) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        self.around(Call::ListStates, state_failed("read", "(all)"), self.inner.get_by_quiz(quiz_ids)).await
    }
}

fn warehouse_failed(action: &'static str) -> impl FnOnce(CallFailure) -> WarehouseError {
    move |failure| match failure {
        CallFailure::Unavailable(cause) => WarehouseError::unavailable(action, cause),
        CallFailure::Refused(cause) | CallFailure::Corrupt(cause) => WarehouseError::refused(action, cause),
    }
}

impl<T: Warehouse + ?Sized, H: Hook + 'static> Warehouse for Hooked<T, H> {
    fn begin(&self) -> Result<Arc<dyn WarehouseBatch>, WarehouseError> {
        Ok(Arc::new(Hooked::new(self.inner.begin()?, self.hook.clone())))
    }
}

#[async_trait]
impl<H: Hook + ?Sized> WarehouseBatch for Hooked<dyn WarehouseBatch, H> {
    async fn stage(&self, session_id: &str, rows: RowBatch) -> Result<(), WarehouseError> {
        let stage = self.inner.stage(session_id, rows);
        self.around(Call::StageRows, warehouse_failed("stage rows"), stage).await
    }

    async fn replace(&self, tests: &[StagedSession]) -> Vec<Result<(), WarehouseError>> {
        let replace = async { Ok(self.inner.replace(tests).await) };
        let replaced = self.around(Call::ReplaceRows, warehouse_failed("write rows"), replace).await;
        replaced.unwrap_or_else(|error| tests.iter().map(|_| Err(error.clone())).collect())
    }
}
