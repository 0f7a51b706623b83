use std::error::Error;
use std::sync::Arc;

use polars::error::PolarsError;
use thiserror::Error;
use tokio::task::JoinError;

type Cause = Arc<dyn Error + Send + Sync>;

/// Why a Parquet file could not be written or read.
#[derive(Clone, Debug, Error)]
pub enum ParquetError {
    /// Most often the disk is full, or the folder may not be written to. A retry helps once that is fixed.
    #[error("cannot write {file}: {cause}")]
    Unwritable {
        /// The path, or the folder of a file without a name.
        file: Arc<str>,
        cause: String,
    },
    /// A retry with less at a time may help.
    #[error("could not {action}: {cause}")]
    Failed { action: &'static str, cause: Cause },
}

impl ParquetError {
    pub(crate) fn of(action: &'static str) -> impl FnOnce(PolarsError) -> Self {
        move |cause| Self::Failed { action, cause: Arc::new(cause) }
    }

    pub(crate) fn broken_down(action: &'static str) -> impl FnOnce(JoinError) -> Self {
        move |cause| Self::Failed { action, cause: Arc::new(cause) }
    }

    pub(crate) fn because(action: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed { action, cause: Arc::from(cause.into()) }
    }
}
