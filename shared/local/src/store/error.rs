use std::io;
use std::path::PathBuf;

use quiz_pipeline::ports::StoreError;
use quiz_sync_state::StateError;
use rusqlite::ErrorCode;
use thiserror::Error;
use tokio::task::JoinError;

/// Why `reports.db` cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("no report store at {}", .0.display())]
    Missing(PathBuf),
    #[error("cannot create folder {}: {cause}", folder.display())]
    Folder { folder: PathBuf, cause: io::Error },
    #[error("{} is no SQLite database", .0.display())]
    NotADatabase(PathBuf),
    #[error(
        "{} is a database of another program{}; choose another folder or move the file away", path.display(),
        .table.as_ref().map(|table| format!(", with the table {table:?}")).unwrap_or_default()
    )]
    Foreign { path: PathBuf, table: Option<String> },
    #[error(
        "{} was written by a later quiz-etl (version {version} of its tables); use that release, or another folder",
        path.display()
    )]
    Newer { path: PathBuf, version: i32 },
    #[error("{} is a database without the table {table}: not a report store", path.display())]
    NotAStore { path: PathBuf, table: &'static str },
    /// A retry may help.
    #[error("{} is locked by another process", .0.display())]
    Locked(PathBuf),
    #[error("cannot write {}: no space left on device", .0.display())]
    Full(PathBuf),
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
            Some(ErrorCode::DiskFull) => Self::Full(path),
            _ => Self::Denied { path, cause },
        }
    }
}

/// Why a call on an open `reports.db` failed.
#[derive(Debug, Error)]
pub(super) enum FileError {
    /// A retry helps once the disk has space.
    #[error("cannot write {}: no space left on device", .0.display())]
    Full(PathBuf),
    #[error("cannot use {}: {cause}", path.display())]
    Sqlite { path: PathBuf, cause: rusqlite::Error },
    #[error("thread for {} failed: {cause}", path.display())]
    BrokenDown { path: PathBuf, cause: JoinError },
}

impl FileError {
    pub fn new(path: PathBuf, cause: rusqlite::Error) -> Self {
        match cause.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(path),
            _ => Self::Sqlite { path, cause },
        }
    }

    /// Whether the same call may succeed soon.
    fn is_retryable(&self) -> bool {
        match self {
            Self::Full(_) => false,
            Self::Sqlite { cause, .. } => matches!(
                cause.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::SystemIoFailure)
            ),
            Self::BrokenDown { .. } => true,
        }
    }

    pub fn into_store_error(self, action: &'static str, table: &str) -> StoreError {
        let (table, is_retryable, cause) = (table.to_owned(), self.is_retryable(), Box::new(self));
        if is_retryable {
            StoreError::Unavailable { action, table, cause }
        } else {
            StoreError::Refused { action, table, cause }
        }
    }

    pub fn into_state_error(self, action: &'static str, session_id: &str) -> StateError {
        let (session_id, is_retryable, cause) = (session_id.to_owned(), self.is_retryable(), Box::new(self));
        if is_retryable {
            StateError::Unavailable { action, session_id, cause }
        } else {
            StateError::Refused { action, session_id, cause }
        }
    }
}

#[cfg(test)]
mod tests {
    use quiz_sync_state::StateError;

    use super::{FileError, OpenError};
    use rusqlite::ffi::{self, SQLITE_BUSY, SQLITE_FULL, SQLITE_READONLY};

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn only_a_locked_file_is_retryable() {
        let file_error = |code| FileError::new("reports.db".into(), failure(code));
        assert!(file_error(SQLITE_BUSY).into_store_error("write to", "t").is_retryable());
        assert!(matches!(
            file_error(SQLITE_BUSY).into_state_error("store", "s"),
            StateError::Unavailable { .. }
        ));
        assert!(OpenError::new("reports.db".into(), failure(SQLITE_BUSY)).is_retryable());
        for code in [SQLITE_FULL, SQLITE_READONLY] {
            assert!(!file_error(code).into_store_error("write to", "t").is_retryable());
            assert!(matches!(file_error(code).into_state_error("store", "s"), StateError::Refused { .. }));
            assert!(!OpenError::new("reports.db".into(), failure(code)).is_retryable());
        }
    }
}
