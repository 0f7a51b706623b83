use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use quiz_domain::rows::{DateOutOfRange, RowBatch};
use quiz_events::Cause;
use thiserror::Error;

use super::Fence;

/// Why rows could not be written. The rows that were there before stay complete.
#[derive(Clone, Debug, Error)]
pub enum WarehouseError {
    /// The service or network failed, the service is busy, or others write at the same time; a retry may help.
    #[error("could not {action}: {cause}")]
    Unavailable { action: String, cause: SharedCause },
    /// Wrong credentials, missing permissions, a missing dataset, or a table of another shape; a retry cannot help until
    /// this is fixed.
    #[error("cannot {action}: {cause}")]
    Refused { action: String, cause: SharedCause },
    /// The data of one test session is wrong; a retry cannot help until the data changes.
    #[error("the warehouse refuses rows of session {session_id}: {cause}")]
    Rows { session_id: String, cause: SharedCause },
    /// The fence of the test session's run has ended; a retry under a new lease may help.
    #[error("the lease was over before the rows of session {session_id} were written")]
    LeaseOver { session_id: String },
    /// The date of one test session is out of range; a retry cannot help until the date changes.
    #[error(transparent)]
    Date(#[from] DateOutOfRange),
}

/// A cause that all test sessions of a batch share.
pub type SharedCause = Arc<dyn std::error::Error + Send + Sync>;

impl WarehouseError {
    pub fn unavailable(action: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Self::Unavailable { action: action.into(), cause: Arc::from(cause.into()) }
    }

    pub fn refused(action: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Self::Refused { action: action.into(), cause: Arc::from(cause.into()) }
    }

    /// Whether a retry may help without a change to the configuration or the data.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::LeaseOver { .. })
    }

    /// Whether the data of one test session is wrong, so that the others can be written without it.
    #[must_use]
    pub fn concerns_one_session(&self) -> bool {
        matches!(self, Self::Rows { .. } | Self::Date(_))
    }
}

/// The values that all rows of a staged test session share.
#[derive(Clone, Debug)]
pub struct StagedSession {
    pub session_id: String,
    pub start_date: Date,
    pub inserted_at: Timestamp,
    /// Greater than the generation of any earlier run of this test session.
    pub generation: i64,
    /// The start dates under which earlier runs may have written rows; `None` if unknown.
    pub earlier_dates: Option<BTreeSet<Date>>,
    /// Whether no sync of this test session has finished yet: an older program may have written rows of it, but not before
    /// the quiz was made.
    pub is_first: bool,
    /// The day in UTC on which the quiz was made; `None` if its id has no time.
    pub quiz_made_on: Option<Date>,
    /// The test session is written only while this fence holds.
    pub fence: Fence,
}

/// A store of result rows for analysts.
pub trait Warehouse: Send + Sync {
    /// Begins a batch, with a staging area of its own.
    ///
    /// # Errors
    /// [`WarehouseError::Unavailable`] if there is no space for the staging area.
    fn begin(&self) -> Result<Arc<dyn WarehouseBatch>, WarehouseError>;
}

/// The staged test sessions of one batch. Rows that are not committed leave nothing behind.
#[async_trait]
pub trait WarehouseBatch: Send + Sync {
    /// Stages some rows of a test session: encodes them, and may write them to disk.
    ///
    /// # Errors
    /// [`WarehouseError`] if the rows cannot be staged; other test sessions of the batch may still be staged.
    async fn stage(&self, session_id: &str, rows: RowBatch) -> Result<(), WarehouseError>;

    /// Replaces the rows of these test sessions, in all tables, with their staged rows; no reader sees a partial change. All
    /// test sessions are committed together; if the data of some is refused, the others are committed without them.
    /// Returns a result for each test session, in their order.
    async fn replace(&self, sessions: &[StagedSession]) -> Vec<Result<(), WarehouseError>>;

    /// The bytes that the warehouse has billed since the last call, also for failed tries.
    fn take_billed_bytes(&self) -> u64 {
        0
    }
}
