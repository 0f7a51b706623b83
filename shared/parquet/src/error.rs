use polars::error::PolarsError;
use thiserror::Error;

/// Why a Parquet file could not be written or read: most often there is no room on the disk. A retry with
/// less at a time may help.
#[derive(Debug, Error)]
#[error("could not {action}: {cause}")]
pub struct ParquetError {
    pub action: &'static str,
    pub cause: PolarsError,
}

impl ParquetError {
    pub(crate) fn of(action: &'static str) -> impl FnOnce(PolarsError) -> Self {
        move |cause| Self { action, cause }
    }
}
