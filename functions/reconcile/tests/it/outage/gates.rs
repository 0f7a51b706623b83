//! Services that are down for a while: every call fails, after the time that a client waits.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bson::{Bson, Document};
use jiff::{SignedDuration, Timestamp};
use quiz_domain::reports::{ReportItem, ReportTable};
use quiz_domain::rows::RowBatch;
use quiz_pipeline::ports::{
    AnswerSource, AttemptStream, Clock, DocumentStream, Fence, PutOutcome, QuizDocuments, ReportStore,
    SourceError, StagedSession, StoreError, StoredItems, Warehouse, WarehouseBatch, WarehouseError,
};
use quiz_sync_state::{StateError, StateKey, SyncState, SyncStates};
use tokio::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    MongoDb,
    DynamoDb,
    BigQuery,
    Sns,
    Discord,
}

/// What a call waits for a service that does not answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tokio's time, which the test has paused.
pub struct Time {
    start: Instant,
    /// When the services go down, and when they are back.
    outage: (Duration, Duration),
    down: &'static [Service],
}

impl Time {
    pub fn start(down: &'static [Service], outage: (Duration, Duration)) -> Self {
        Self { start: Instant::now(), outage, down }
    }

    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub fn is_down(&self, service: Service) -> bool {
        let (from, until) = self.outage;
        self.down.contains(&service) && (from..until).contains(&self.elapsed())
    }

    /// Whether the service answers; where it does not, after what a client waits for it.
    pub async fn answers(&self, service: Service) -> bool {
        let is_down = self.is_down(service);
        if is_down {
            tokio::time::sleep(PATIENCE).await;
        }
        !is_down
    }
}

impl Clock for Time {
    fn now(&self) -> Timestamp {
        let start = Timestamp::from_second(1_795_996_800).unwrap();
        start + SignedDuration::try_from(self.elapsed()).unwrap()
    }
}

/// An adapter behind a service that may be down.
pub struct Gated<T: ?Sized> {
    pub time: Arc<Time>,
    pub inner: Arc<T>,
}

const NO_ROUTE: &str = "no route to host";

impl<T: ?Sized> Gated<T> {
    async fn mongodb(&self) -> Result<(), SourceError> {
        if self.time.answers(Service::MongoDb).await {
            return Ok(());
        }
        Err(SourceError::Unavailable { what: "documents".into(), cause: NO_ROUTE.into() })
    }

    async fn table(&self) -> Result<(), StoreError> {
        if self.time.answers(Service::DynamoDb).await {
            return Ok(());
        }
        let table = "student_quiz_reports".into();
        Err(StoreError::Unavailable { action: "write", table, cause: NO_ROUTE.into() })
    }

    async fn states(&self) -> Result<(), StateError> {
        if self.time.answers(Service::DynamoDb).await {
            return Ok(());
        }
        Err(StateError::Unavailable { action: "read", session_id: "s".into(), cause: NO_ROUTE.into() })
    }
}

#[async_trait]
impl<T: AnswerSource + ?Sized> AnswerSource for Gated<T> {
    async fn quiz(&self, quiz_id: &str) -> Result<Option<QuizDocuments>, SourceError> {
        self.mongodb().await?;
        self.inner.quiz(quiz_id).await
    }

    async fn attempt_heads<'a>(&'a self, quiz_id: &'a str) -> Result<DocumentStream<'a>, SourceError> {
        self.mongodb().await?;
        self.inner.attempt_heads(quiz_id).await
    }

    async fn heads_of(&self, quiz_id: &str, user_ids: &[String]) -> Result<Vec<Document>, SourceError> {
        self.mongodb().await?;
        self.inner.heads_of(quiz_id, user_ids).await
    }

    async fn attempts<'a>(
        &'a self,
        quiz_id: &'a str,
        keys: Vec<Bson>,
    ) -> Result<AttemptStream<'a>, SourceError> {
        self.mongodb().await?;
        self.inner.attempts(quiz_id, keys).await
    }
}

#[async_trait]
impl<T: ReportStore + ?Sized> ReportStore for Gated<T> {
    async fn stored(&self, table: ReportTable, session_id: &str) -> Result<StoredItems, StoreError> {
        self.table().await?;
        self.inner.stored(table, session_id).await
    }

    async fn put(
        &self,
        table: ReportTable,
        items: Vec<ReportItem>,
        fence: &Fence,
    ) -> Result<PutOutcome, StoreError> {
        self.table().await?;
        self.inner.put(table, items, fence).await
    }

    async fn delete(
        &self,
        table: ReportTable,
        session_id: &str,
        sort_keys: Vec<String>,
        fence: &Fence,
    ) -> Result<u64, StoreError> {
        self.table().await?;
        self.inner.delete(table, session_id, sort_keys, fence).await
    }
}

#[async_trait]
impl<T: SyncStates + ?Sized> SyncStates for Gated<T> {
    async fn get(&self, key: &StateKey) -> Result<SyncState, StateError> {
        self.states().await?;
        self.inner.get(key).await
    }

    async fn swap(&self, key: &StateKey, seen: &SyncState, next: &SyncState) -> Result<bool, StateError> {
        self.states().await?;
        self.inner.swap(key, seen, next).await
    }

    async fn get_many(&self, keys: &[StateKey]) -> Result<Vec<SyncState>, StateError> {
        self.states().await?;
        self.inner.get_many(keys).await
    }

    async fn all(&self) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        self.states().await?;
        self.inner.all().await
    }
}

impl<T: Warehouse + ?Sized> Warehouse for Gated<T> {
    fn begin(&self) -> Result<Arc<dyn WarehouseBatch>, WarehouseError> {
        Ok(Arc::new(Gated { time: self.time.clone(), inner: self.inner.begin()? }))
    }
}

#[async_trait]
impl WarehouseBatch for Gated<dyn WarehouseBatch> {
    async fn stage(&self, session_id: &str, rows: RowBatch) -> Result<(), WarehouseError> {
        self.inner.stage(session_id, rows).await
    }

    async fn replace(&self, tests: &[StagedSession]) -> Vec<Result<(), WarehouseError>> {
        if self.time.answers(Service::BigQuery).await {
            return self.inner.replace(tests).await;
        }
        let down = WarehouseError::unavailable("write to BigQuery", NO_ROUTE);
        tests.iter().map(|_| Err(down.clone())).collect()
    }
}
