use async_trait::async_trait;
use futures::stream::BoxStream;
use quiz_domain::reports::{ReportItem, ReportTable};
use quiz_events::Cause;
use serde_json::Value;
use thiserror::Error;

use super::{Fence, StoredItems};

/// Why items could not be written or read.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The server or network failed, or throttles; a retry may help.
    #[error("could not {action} table {table}: {cause}")]
    Unavailable { action: &'static str, table: String, cause: Cause },
    /// The table is missing, its keys are others, or access is denied; a retry cannot help until this is fixed.
    #[error("cannot {action} table {table}: {cause}")]
    Refused { action: &'static str, table: String, cause: Cause },
    /// The run's fence has ended; a retry under a new lease may help.
    #[error("the lease was over before all was written to table {table}")]
    LeaseOver { table: String },
}

impl StoreError {
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::LeaseOver { .. })
    }
}

/// An item that the store cannot hold (too large, too deep, a key too long). Other items are written all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub sort_key: String,
    pub reason: String,
}

/// The result of one put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutOutcome {
    pub written: u64,
    pub refused: Vec<Refusal>,
}

/// A store of reports. The partition key of each table is `session_id`; an item replaces the item with the same keys. Once
/// the fence has ended, the store neither writes nor deletes, and returns [`StoreError::LeaseOver`].
#[async_trait]
pub trait ReportStore: Send + Sync {
    /// The items of a test session in a table, as stored now.
    async fn stored(&self, table: ReportTable, session_id: &str) -> Result<StoredItems, StoreError>;

    /// Writes any number of items with different keys into one table.
    async fn put(
        &self,
        table: ReportTable,
        items: Vec<ReportItem>,
        fence: &Fence,
    ) -> Result<PutOutcome, StoreError>;

    /// Deletes the test session's items with these sort keys, which exist; returns how many were deleted.
    async fn delete(
        &self,
        table: ReportTable,
        session_id: &str,
        sort_keys: Vec<String>,
        fence: &Fence,
    ) -> Result<u64, StoreError>;
}

/// A store's items one by one, as they are read.
pub type ItemStream<'a> = BoxStream<'a, Result<Value, StoreError>>;

/// Reads written reports.
#[async_trait]
pub trait ReportReader: Send + Sync {
    /// A user's items of a test session, by sort key.
    async fn user_items(
        &self,
        table: ReportTable,
        session_id: &str,
        user_id: &str,
    ) -> Result<Vec<Value>, StoreError>;

    /// All items of a test session, by sort key.
    fn session_items<'a>(&'a self, table: ReportTable, session_id: &'a str) -> ItemStream<'a>;
}
