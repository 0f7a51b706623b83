//! The staging file of a batch, on this machine's disk until it is loaded.

use std::fs::File;
use std::sync::{Mutex, PoisonError};

use quiz_domain::rows::RowBatch;
use quiz_parquet::{Group, ParquetError, StagingWriter};
use quiz_pipeline::ports::Cause;

/// A finished staging file.
#[derive(Debug)]
pub(crate) struct StagingFile {
    pub file: File,
    pub bytes: u64,
    pub groups: Vec<Group>,
}

impl StagingFile {
    pub fn rows(&self) -> usize {
        self.groups.iter().map(|group| group.rows).sum()
    }

    /// A file of only those groups that `keep` says.
    pub fn part(&self, keep: impl Fn(&Group) -> bool) -> Result<Self, Cause> {
        let open = OpenStaging::new()?;
        for group in self.groups.iter().filter(|group| keep(group)) {
            open.with(|writer| writer.copy(&self.file, group))?;
        }
        open.finish()
    }
}

/// A staging file that rows are added to.
pub(crate) struct OpenStaging {
    file: File,
    /// `None` once finished, or after a failed write: what follows it would be torn.
    writer: Mutex<Option<StagingWriter<File>>>,
}

impl OpenStaging {
    pub fn new() -> Result<Self, Cause> {
        let file = tempfile::tempfile()?;
        let writer = StagingWriter::new(file.try_clone()?)?;
        Ok(Self { file, writer: Mutex::new(Some(writer)) })
    }

    pub fn write(&self, session_id: &str, rows: &RowBatch) -> Result<(), Cause> {
        self.with(|writer| writer.write(session_id, rows))
    }

    fn with(
        &self,
        change: impl FnOnce(&mut StagingWriter<File>) -> Result<(), ParquetError>,
    ) -> Result<(), Cause> {
        let mut guard = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = guard.take().ok_or("an earlier write to the staging file failed")?;
        change(&mut writer)?;
        *guard = Some(writer);
        Ok(())
    }

    pub fn finish(&self) -> Result<StagingFile, Cause> {
        let mut guard = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = guard.take().ok_or("an earlier write to the staging file failed")?;
        let staged = writer.finish()?;
        Ok(StagingFile { file: self.file.try_clone()?, bytes: staged.bytes, groups: staged.groups })
    }
}
