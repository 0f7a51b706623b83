use std::collections::HashMap;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use quiz_domain::rows::{RowBatch, WarehouseTable};
use quiz_parquet::{Group, StagingWriter, TableFile, TestValues};
use quiz_pipeline::ports::{Cause, StagedTest, Warehouse, WarehouseBatch, WarehouseError};
use tempfile::NamedTempFile;

use crate::file_name;

/// The warehouse as Parquet files in a folder: `<table>/<session>.parquet`, the session's name as
/// [`file_name`] has it. A test's files are replaced one by one, each as a whole.
#[derive(Clone, Debug)]
pub struct ParquetWarehouse {
    folder: PathBuf,
}

impl ParquetWarehouse {
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where the rows of a session lie, once there are any.
    #[must_use]
    pub fn file(&self, table: WarehouseTable, session_id: &str) -> PathBuf {
        self.folder.join(table.name()).join(format!("{}.parquet", file_name(session_id)))
    }
}

impl Warehouse for ParquetWarehouse {
    fn begin(&self) -> Result<Arc<dyn WarehouseBatch>, WarehouseError> {
        Ok(Arc::new(Batch { warehouse: self.clone(), staging: Mutex::default() }))
    }
}

struct Batch {
    warehouse: ParquetWarehouse,
    staging: Mutex<HashMap<String, Arc<Mutex<Staging>>>>,
}

/// The rows of one test, until they are all known.
struct Staging {
    file: File,
    writer: StagingWriter<File>,
}

impl Batch {
    fn staging(&self, session_id: &str) -> Result<Arc<Mutex<Staging>>, Cause> {
        let mut staging = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = staging.get(session_id) {
            return Ok(Arc::clone(known));
        }
        let file = tempfile::tempfile()?;
        let writer = StagingWriter::new(file.try_clone()?)?;
        let new = Arc::new(Mutex::new(Staging { file, writer }));
        staging.insert(session_id.to_owned(), Arc::clone(&new));
        Ok(new)
    }

    fn take(&self, session_id: &str) -> Option<Staging> {
        let taken = self.staging.lock().unwrap_or_else(PoisonError::into_inner).remove(session_id)?;
        Arc::into_inner(taken)?.into_inner().ok()
    }
}

#[async_trait]
impl WarehouseBatch for Batch {
    async fn stage(&self, session_id: &str, rows: RowBatch) -> Result<(), WarehouseError> {
        let staging = self.staging(session_id).map_err(|cause| failed(session_id, cause))?;
        let of_session = session_id.to_owned();
        let written = tokio::task::spawn_blocking(move || -> Result<(), Cause> {
            let mut staging = staging.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(staging.writer.write(&of_session, &rows)?)
        });
        let written = written.await.map_err(Cause::from).and_then(|it| it);
        written.map_err(|cause| failed(session_id, cause))
    }

    async fn replace(&self, tests: &[StagedTest]) -> Vec<Result<(), WarehouseError>> {
        let mut results = Vec::with_capacity(tests.len());
        for test in tests {
            let (warehouse, staging, of_test) =
                (self.warehouse.clone(), self.take(&test.session_id), test.clone());
            let replaced = tokio::task::spawn_blocking(move || warehouse.replace(staging, &of_test)).await;
            let replaced = replaced.map_err(Cause::from).and_then(|it| it);
            results.push(match replaced {
                Ok(true) => Ok(()),
                Ok(false) => Err(WarehouseError::LeaseOver { session_id: test.session_id.clone() }),
                Err(cause) => Err(failed(&test.session_id, cause)),
            });
        }
        results
    }
}

impl ParquetWarehouse {
    /// False where the lease is over, and nothing is replaced.
    fn replace(&self, staging: Option<Staging>, test: &StagedTest) -> Result<bool, Cause> {
        let (file, groups) = match staging {
            Some(Staging { file, writer }) => (Some(file), writer.finish()?.groups),
            None => (None, Vec::new()),
        };
        let mut finished = Vec::new();
        for table in WarehouseTable::ALL {
            let groups: Vec<&Group> = groups.iter().filter(|it| it.table == table).collect();
            let path = self.file(table, &test.session_id);
            let written = match &file {
                Some(file) if !groups.is_empty() => Some(write(table, &path, file, &groups, test)?),
                _ => None,
            };
            finished.push((path, written));
        }
        if !test.fence.holds() {
            return Ok(false);
        }
        for (path, written) in finished {
            match written {
                Some(file) => drop(file.persist(&path)?),
                None if path.exists() => std::fs::remove_file(&path)?,
                None => {}
            }
        }
        Ok(true)
    }
}

fn write(
    table: WarehouseTable,
    path: &Path,
    staging: &File,
    groups: &[&Group],
    test: &StagedTest,
) -> Result<NamedTempFile, Cause> {
    let folder = path.parent().ok_or("the path has no folder")?;
    std::fs::create_dir_all(folder)?;
    // as readable as any new file, which a temporary one is not
    let open = Permissions::from_mode(0o666);
    let file = tempfile::Builder::new().permissions(open).tempfile_in(folder)?;
    let values = TestValues { start_date: test.start_date, inserted_at: test.inserted_at };
    let mut target = TableFile::new(table, file.reopen()?)?;
    for group in groups {
        target.append(staging, group, values)?;
    }
    target.finish()?;
    Ok(file)
}

fn failed(session_id: &str, cause: Cause) -> WarehouseError {
    WarehouseError::unavailable(format!("write the rows of session {session_id}"), cause)
}
