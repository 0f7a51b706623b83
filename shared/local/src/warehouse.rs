use std::collections::HashMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use quiz_domain::rows::{RowBatch, WarehouseTable};
use quiz_events::Cause;
use quiz_parquet::{ParquetError, SharedValues, StagingFile, StagingWriter, write_table};
use quiz_pipeline::ports::{Fence, StagedSession, Warehouse, WarehouseBatch, WarehouseError};
use tempfile::NamedTempFile;

use crate::file_name::{file_name, remove_former};

const EXTENSION: &str = "parquet";

/// The warehouse as Parquet files in a folder: `<table>/<test session>.parquet`, with the name from [`file_name`]. Each
/// file is replaced as a whole, one table after the other; a file that an earlier release wrote under another name is
/// removed.
#[derive(Clone, Debug)]
pub struct ParquetWarehouse {
    folder: PathBuf,
}

impl ParquetWarehouse {
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The path of a test session's file; the file exists once the session has rows.
    #[must_use]
    pub fn file(&self, table: WarehouseTable, session_id: &str) -> PathBuf {
        self.folder.join(table.name()).join(format!("{}.{EXTENSION}", file_name(session_id)))
    }
}

impl Warehouse for ParquetWarehouse {
    fn begin(&self) -> Result<Arc<dyn WarehouseBatch>, WarehouseError> {
        Ok(Arc::new(Batch { warehouse: self.clone(), staging: Mutex::default() }))
    }
}

struct Batch {
    warehouse: ParquetWarehouse,
    /// The staged rows of each test session.
    staging: Mutex<HashMap<String, Arc<StagingWriter>>>,
}

impl Batch {
    fn staging(&self, session_id: &str) -> Result<Arc<StagingWriter>, ParquetError> {
        let mut staging = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = staging.get(session_id) {
            return Ok(Arc::clone(known));
        }
        let new = Arc::new(StagingWriter::new()?);
        staging.insert(session_id.to_owned(), Arc::clone(&new));
        Ok(new)
    }

    fn take(&self, session_id: &str) -> Option<Arc<StagingWriter>> {
        self.staging.lock().unwrap_or_else(PoisonError::into_inner).remove(session_id)
    }
}

#[async_trait]
impl WarehouseBatch for Batch {
    async fn stage(&self, session_id: &str, rows: RowBatch) -> Result<(), WarehouseError> {
        let staging = self.staging(session_id).map_err(|error| failed(session_id, error.into()))?;
        staging.add(session_id, rows).await.map_err(|error| failed(session_id, error.into()))
    }

    async fn replace(&self, tests: &[StagedSession]) -> Vec<Result<(), WarehouseError>> {
        let mut results = Vec::with_capacity(tests.len());
        for test in tests {
            let staging = self.take(&test.session_id);
            results.push(match self.warehouse.replace(staging, test).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(WarehouseError::LeaseOver { session_id: test.session_id.clone() }),
                Err(cause) => Err(failed(&test.session_id, cause)),
            });
        }
        results
    }
}

/// A test session's new file of one table and its path; no file where the session has no rows.
type Finished = (PathBuf, Option<NamedTempFile>);

impl ParquetWarehouse {
    /// `false` where the lease is over and nothing is replaced.
    async fn replace(
        &self,
        staging: Option<Arc<StagingWriter>>,
        test: &StagedSession,
    ) -> Result<bool, Cause> {
        let staged = match staging {
            Some(staging) => Some(staging.finish().await?),
            None => None,
        };
        let mut finished = Vec::new();
        for table in WarehouseTable::ALL {
            let path = self.file(table, &test.session_id);
            let staged =
                staged.as_ref().filter(|staged| staged.groups.iter().any(|group| group.table == table));
            let file = match staged {
                Some(staged) => Some(write(table, &path, staged, test).await?),
                None => None,
            };
            finished.push((path, file));
        }
        let fence = test.fence.clone();
        let session_id = test.session_id.clone();
        tokio::task::spawn_blocking(move || put_in_place(finished, &session_id, &fence)).await?
    }
}

fn put_in_place(finished: Vec<Finished>, session_id: &str, fence: &Fence) -> Result<bool, Cause> {
    if !fence.holds() {
        return Ok(false);
    }
    for (path, file) in finished {
        if let Some(folder) = path.parent() {
            // remove the old file first: a reader may miss the session for a moment, but never reads it twice
            remove_former(folder, session_id, EXTENSION).map_err(|cause| unwritable(&path, &cause))?;
        }
        match file {
            Some(file) => drop(file.persist(&path).map_err(|failed| unwritable(&path, &failed.error))?),
            None if path.exists() => {
                std::fs::remove_file(&path).map_err(|cause| unwritable(&path, &cause))?;
            }
            None => {}
        }
    }
    Ok(true)
}

async fn write(
    table: WarehouseTable,
    path: &Path,
    staged: &StagingFile,
    test: &StagedSession,
) -> Result<NamedTempFile, Cause> {
    let folder = path.parent().ok_or("the path has no folder")?;
    std::fs::create_dir_all(folder).map_err(|cause| unwritable(folder, &cause))?;
    // a temporary file is private; give the mode of an ordinary new file
    let open = Permissions::from_mode(0o666);
    let file = tempfile::Builder::new().permissions(open).tempfile_in(folder);
    let file = file.map_err(|cause| unwritable(path, &cause))?;
    let values = SharedValues { start_date: test.start_date, inserted_at: test.inserted_at };
    let reopened = file.reopen().map_err(|cause| unwritable(path, &cause))?;
    write_table(table, (path, reopened), staged, values).await?;
    Ok(file)
}

fn unwritable(path: &Path, cause: &std::io::Error) -> Cause {
    format!("cannot write {}: {cause}", path.display()).into()
}

fn failed(session_id: &str, cause: Cause) -> WarehouseError {
    WarehouseError::unavailable(format!("write the rows of session {session_id}"), cause)
}
