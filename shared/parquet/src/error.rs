use std::error::Error;

use polars::error::PolarsError;
use thiserror::Error;
use tokio::task::JoinError;

/// Why a Parquet file could not be written or read: most often there is no room on the disk. A retry with
/// less at a time may help.
#[derive(Debug, Error)]
#[error("could not {action}: {cause}")]
pub struct ParquetError {
    pub action: &'static str,
    pub cause: Box<dyn Error + Send + Sync>,
}

impl ParquetError {
    pub(crate) fn of(action: &'static str) -> impl FnOnce(PolarsError) -> Self {
        move |cause| Self { action, cause: cause.into() }
    }

    pub(crate) fn broken_down(action: &'static str) -> impl FnOnce(JoinError) -> Self {
        move |cause| Self { action, cause: cause.into() }
    }

    pub(crate) fn because(action: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { action, cause: cause.into() }
    }
}
