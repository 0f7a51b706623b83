use std::io;
use std::path::PathBuf;

use quiz_pipeline::ports::StoreError;
use rusqlite::ErrorCode;
use thiserror::Error;

/// Why `reports.db` cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("there is no report store at {}", .0.display())]
    Missing(PathBuf),
    #[error("cannot create folder {}: {cause}", folder.display())]
    Folder { folder: PathBuf, cause: io::Error },
    #[error("{} is no SQLite database", .0.display())]
    NotADatabase(PathBuf),
    #[error("{} is a database without the table {table}: not a report store", path.display())]
    NotAStore { path: PathBuf, table: &'static str },
    /// A retry may help.
    #[error("{} is locked by another process", .0.display())]
    Locked(PathBuf),
    #[error("cannot open {}: {cause}", path.display())]
    Denied { path: PathBuf, cause: rusqlite::Error },
}

impl OpenError {
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Locked(_))
    }

    pub(super) fn new(path: PathBuf, cause: rusqlite::Error) -> Self {
        match cause.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::NotADatabase(path),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(path),
            _ => Self::Denied { path, cause },
        }
    }
}

pub(super) fn store_error(action: &'static str, table: &str, cause: rusqlite::Error) -> StoreError {
    let table = table.to_owned();
    match cause.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::SystemIoFailure) => {
            StoreError::Unavailable { action, table, cause: Box::new(cause) }
        }
        _ => StoreError::Refused { action, table, cause: Box::new(cause) },
    }
}

#[cfg(test)]
mod tests {
    use super::{OpenError, store_error};
    use rusqlite::ffi::{self, SQLITE_BUSY, SQLITE_FULL, SQLITE_READONLY};

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn a_lock_is_worth_a_retry_and_what_must_be_mended_is_not() {
        assert!(store_error("write to", "t", failure(SQLITE_BUSY)).is_retryable());
        assert!(OpenError::new("reports.db".into(), failure(SQLITE_BUSY)).is_retryable());
        for code in [SQLITE_FULL, SQLITE_READONLY] {
            assert!(!store_error("write to", "t", failure(code)).is_retryable());
            assert!(!OpenError::new("reports.db".into(), failure(code)).is_retryable());
        }
    }
}
