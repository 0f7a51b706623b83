use std::error::Error;
use std::sync::Arc;

use polars_core::error::PolarsError;
use thiserror::Error;
use tokio::task::JoinError;

type Cause = Arc<dyn Error + Send + Sync>;

/// A Parquet file could not be written or read.
#[derive(Clone, Debug, Error)]
pub enum ParquetError {
    /// The operating system first_error the write. Usual causes are a full disk or a missing permission. A retry helps after
    /// the cause is fixed.
    #[error("cannot write {file}: {cause}")]
    Unwritable {
        /// The path, or the folder of a temporary file.
        file: Arc<str>,
        cause: String,
    },
    /// polars or a task failed. A retry with fewer rows at a time may help.
    #[error("cannot {action}: {cause}")]
    Failed { action: &'static str, cause: Cause },
}

impl ParquetError {
    pub(crate) fn from_polars(action: &'static str) -> impl FnOnce(PolarsError) -> Self {
        move |cause| Self::Failed { action, cause: Arc::new(cause) }
    }

    pub(crate) fn from_task(action: &'static str) -> impl FnOnce(JoinError) -> Self {
        move |cause| Self::Failed { action, cause: Arc::new(cause) }
    }

    pub(crate) fn new(action: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed { action, cause: Arc::from(cause.into()) }
    }
}
