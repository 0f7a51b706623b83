use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use quiz_domain::rows::{DateOutOfRange, RowBatch};
use quiz_events::Cause;
use thiserror::Error;

use super::Fence;

/// Why rows could not be written. Whatever it is, the rows that were there are whole.
#[derive(Clone, Debug, Error)]
pub enum WarehouseError {
    /// The service or network failed, is busy, or others write at the same time; a retry may help.
    #[error("could not {action}: {cause}")]
    Unavailable { action: String, cause: SharedCause },
    /// Credentials, permissions, a missing dataset, a table of another shape; a retry cannot help until
    /// that is mended.
    #[error("cannot {action}: {cause}")]
    Refused { action: String, cause: SharedCause },
    /// The test's own data; a retry cannot help until it changes.
    #[error("the warehouse refuses rows of session {session_id}: {cause}")]
    Rows { session_id: String, cause: SharedCause },
    /// The lease of the test's run is over; a retry under a new one may help.
    #[error("the lease was over before the rows of session {session_id} were written")]
    LeaseOver { session_id: String },
    /// A test's date; a retry cannot help until it changes.
    #[error(transparent)]
    Date(#[from] DateOutOfRange),
}

/// A cause that all tests of a batch share.
pub type SharedCause = Arc<dyn std::error::Error + Send + Sync>;

impl WarehouseError {
    pub fn unavailable(action: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Self::Unavailable { action: action.into(), cause: Arc::from(cause.into()) }
    }

    pub fn refused(action: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Self::Refused { action: action.into(), cause: Arc::from(cause.into()) }
    }

    /// Whether a retry may help without anyone mending anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::LeaseOver { .. })
    }

    /// Whether only one test's data is at fault, so that the others can be written without it.
    #[must_use]
    pub fn is_of_one_test(&self) -> bool {
        matches!(self, Self::Rows { .. } | Self::Date(_))
    }
}

/// What all rows of a staged test share.
#[derive(Clone, Debug)]
pub struct StagedSession {
    pub session_id: String,
    pub start_date: Date,
    pub inserted_at: Timestamp,
    /// The test is written only while this holds.
    pub fence: Fence,
}

/// Where result rows are written for analysts.
pub trait Warehouse: Send + Sync {
    /// Begins a batch, with a staging area of its own.
    ///
    /// # Errors
    /// [`WarehouseError::Unavailable`] where there is no room for it.
    fn begin(&self) -> Result<Arc<dyn WarehouseBatch>, WarehouseError>;
}

/// The tests of one batch on their way into the warehouse. What is not replaced leaves nothing behind.
#[async_trait]
pub trait WarehouseBatch: Send + Sync {
    /// Takes some rows of a test: encodes them, and may write them to disk.
    ///
    /// # Errors
    /// [`WarehouseError`] where they cannot be staged; the batch's other tests may still be.
    async fn stage(&self, session_id: &str, rows: RowBatch) -> Result<(), WarehouseError>;

    /// Makes the rows of these tests, in all tables, exactly those that were staged for them; no reader
    /// sees half of it. All of them land together, or where that fails for the data of some, the others do.
    /// The results are in the order of the tests.
    async fn replace(&self, tests: &[StagedSession]) -> Vec<Result<(), WarehouseError>>;
}
