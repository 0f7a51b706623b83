use std::fs::File;
use std::sync::{Arc, LazyLock};

use polars_core::prelude::DataFrame;
use quiz_domain::rows::{CellType, ColumnSpec, RowBatch, WarehouseTable};
use tokio::sync::Mutex;

use crate::error::ParquetError;
use crate::frame::staging_frame;
use crate::group_reader::GroupReader;
use crate::output::OutputName;
use crate::row_groups::{self, RowGroups};
use crate::writer::writer;

/// The column of a staging file that names the table of each row.
pub const ROW_TABLE: ColumnSpec = ColumnSpec {
    name: "row_table",
    kind: CellType::Text,
    required: false,
    description: "the table that the row is for",
};

/// The columns of a staging file: [`ROW_TABLE`], then the columns of all tables. A name that several tables share is one
/// column, because it has the same type in all of them.
#[must_use]
pub fn staging_columns() -> &'static [ColumnSpec] {
    static COLUMNS: LazyLock<Vec<ColumnSpec>> = LazyLock::new(|| {
        let mut columns = vec![ROW_TABLE];
        for column in WarehouseTable::ALL.into_iter().flat_map(WarehouseTable::row_columns) {
            if !columns.iter().any(|known: &ColumnSpec| known.name == column.name) {
                columns.push(ColumnSpec { required: false, ..*column });
            }
        }
        columns
    });
    &COLUMNS
}

/// Consecutive rows of a staging file that belong to one test session and one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub session_id: String,
    pub table: WarehouseTable,
    /// The position of the first row in the file.
    pub offset: usize,
    pub rows: usize,
}

/// A staging file that takes rows, compressed with Zstandard.
///
/// It is a temporary file without a name: the operating system deletes it with its last handle. Several test sessions can
/// add rows at the same time.
pub struct StagingWriter {
    file: File,
    /// `None` after the file is finished.
    state: Mutex<Option<StagingState>>,
}

/// The writer, and the groups so far.
struct StagingState {
    row_groups: RowGroups,
    groups: Vec<Group>,
    rows: usize,
}

/// A finished staging file.
#[derive(Debug)]
pub struct StagingFile {
    pub file: File,
    pub bytes: u64,
    /// The groups in the order of the file.
    pub groups: Vec<Group>,
}

impl StagingWriter {
    /// Creates the temporary file.
    ///
    /// # Errors
    /// [`ParquetError`] where the file cannot be created.
    pub fn new() -> Result<Self, ParquetError> {
        Self::with_parallelism(row_groups::parallelism())
    }

    fn with_parallelism(parallelism: usize) -> Result<Self, ParquetError> {
        let name = OutputName::new(format!("a temporary file in {}", std::env::temp_dir().display()));
        let file = tempfile::tempfile().map_err(|cause| name.unwritable(cause))?;
        Self::into_file(file, name, parallelism)
    }

    fn into_file(file: File, name: OutputName, parallelism: usize) -> Result<Self, ParquetError> {
        let copy = file.try_clone().map_err(|cause| name.unwritable(cause))?;
        let writer =
            writer(name.output(copy), staging_columns().iter()).map_err(|cause| name.unwritable(cause))?;
        let row_groups = RowGroups::new(writer, name, parallelism);
        let state = StagingState { row_groups, groups: Vec::new(), rows: 0 };
        Ok(Self { file, state: Mutex::new(Some(state)) })
    }

    /// Adds rows of one test session and table, as soon as the limit of row groups allows. The rows are encoded and written
    /// in the background, so an error can come from a later call.
    ///
    /// # Errors
    /// [`ParquetError`] where these or earlier rows could not be written. The file cannot be used any more.
    pub async fn add(&self, session_id: &str, rows: RowBatch) -> Result<(), ParquetError> {
        let group = (session_id, rows.table(), rows.len());
        self.push(group, move || staging_frame(&rows).map_err(ParquetError::from_polars("encode rows"))).await
    }

    async fn push(
        &self,
        (session_id, table, rows): (&str, WarehouseTable, usize),
        make: impl FnOnce() -> Result<DataFrame, ParquetError> + Send + 'static,
    ) -> Result<(), ParquetError> {
        let mut state = self.state.lock().await;
        let state = state.as_mut().ok_or_else(finished)?;
        state.row_groups.push(make).await?;
        state.groups.push(Group { session_id: session_id.to_owned(), table, offset: state.rows, rows });
        state.rows += rows;
        Ok(())
    }

    /// Writes the remaining rows and the end of the file. The file takes no more rows.
    ///
    /// # Errors
    /// [`ParquetError`] where a row could not be written.
    pub async fn finish(&self) -> Result<StagingFile, ParquetError> {
        let state = self.state.lock().await.take().ok_or_else(finished)?;
        let bytes = state.row_groups.finish().await?;
        let file = self.file.try_clone();
        let file = file.map_err(|cause| ParquetError::new("share a staging file", cause))?;
        Ok(StagingFile { file, bytes, groups: state.groups })
    }
}

fn finished() -> ParquetError {
    ParquetError::new("add rows to a staging file", "the file is finished")
}

impl StagingFile {
    /// The number of rows in all groups.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.groups.iter().map(|group| group.rows).sum()
    }

    /// Makes a new staging file with the groups for which `keep` returns true.
    ///
    /// # Errors
    /// [`ParquetError`] where this file cannot be read, or the new file cannot be written.
    pub async fn part(&self, keep: impl Fn(&Group) -> bool) -> Result<Self, ParquetError> {
        let open = StagingWriter::new()?;
        let reader = Arc::new(GroupReader::open(self)?);
        for group in self.groups.iter().filter(|group| keep(group)) {
            let key = (group.session_id.as_str(), group.table, group.rows);
            let (reader, group) = (Arc::clone(&reader), group.clone());
            open.push(key, move || reader.read(&group, None)).await?;
        }
        open.finish().await
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek};

    use quiz_domain::rows::{QuestionRows, RowBatch, WarehouseTable};
    use quiz_domain::{Problems, Quiz, SessionScorer, TakenDocument, TestSession};
    use quiz_sample::large::LargeAssessment;

    use super::{OutputName, StagingFile, StagingWriter, staging_columns, staging_frame};
    use crate::writer::writer;

    /// The number of students in each batch.
    const SIZES: [usize; 7] = [40, 1, 0, 25, 3, 30, 2];

    fn batches() -> Vec<RowBatch> {
        let large = LargeAssessment { students: 120, questions: 20, seed: 7 };
        let quiz = Quiz::read(&large.quiz(), &large.questions()).unwrap().0;
        let mut builder = SessionScorer::new(
            quiz.clone(),
            TestSession::default(),
            jiff::Timestamp::UNIX_EPOCH,
            Problems::default(),
        );
        let mut taken = large.sessions().filter_map(|document| match builder.take(&document) {
            TakenDocument::Attempt(taken) => Some(taken),
            _ => None,
        });
        let rows = QuestionRows::new(&quiz, "s");
        let batch = |size| {
            let mut batch = RowBatch::new(WarehouseTable::QuestionResponses);
            taken.by_ref().take(size).for_each(|taken| rows.append(&quiz, &taken, &mut batch));
            batch
        };
        SIZES.into_iter().map(batch).collect()
    }

    async fn staged(parallelism: usize) -> StagingFile {
        let open = StagingWriter::with_parallelism(parallelism).unwrap();
        for (at, rows) in batches().into_iter().enumerate() {
            open.add(&at.to_string(), rows).await.unwrap();
        }
        open.finish().await.unwrap()
    }

    fn bytes(mut file: File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[tokio::test]
    async fn file_is_the_same_with_any_parallelism() {
        let mut one_by_one = Vec::new();
        let mut writer = writer(&mut one_by_one, staging_columns().iter()).unwrap();
        for rows in batches() {
            writer.write_batch(&staging_frame(&rows).unwrap()).unwrap();
        }
        let written = writer.finish().unwrap();
        for parallelism in [1, 2, 5] {
            let staged = staged(parallelism).await;
            let rows: Vec<usize> = staged.groups.iter().map(|group| group.rows).collect();
            assert_eq!((staged.bytes, rows), (written, SIZES.map(|students| students * 20).to_vec()));
            assert!(bytes(staged.file) == one_by_one, "{parallelism} row groups at a time");
        }
    }

    #[tokio::test]
    async fn full_disk_is_named_by_every_call() {
        let full = || File::options().read(true).write(true).open("/dev/full").unwrap();
        let open = StagingWriter::into_file(full(), OutputName::new("/scratch/rows".into()), 1);
        let names_cause = |error: crate::ParquetError| {
            let shown = error.to_string();
            assert!(shown.starts_with("cannot write /scratch/rows: No space left on device"), "{shown}");
        };
        // a writer may notice the full disk when it creates the file, or later
        let open = match open {
            Ok(open) => open,
            Err(error) => return names_cause(error),
        };
        for rows in batches() {
            // the rows of one call are written during later calls
            let _ = open.add("s", rows).await.map_err(names_cause);
        }
        names_cause(open.add("s", batches().remove(0)).await.unwrap_err());
        names_cause(open.finish().await.unwrap_err());
    }

    #[tokio::test]
    async fn part_has_the_rows_of_its_groups() {
        let staged = staged(3).await;
        let part = staged.part(|group| group.session_id != "0").await.unwrap();
        assert_eq!((staged.rows() - part.rows(), part.groups.len()), (SIZES[0] * 20, SIZES.len() - 1));
        let whole = part.part(|_| true).await.unwrap();
        assert!(bytes(whole.file) == bytes(part.file));
    }

    #[tokio::test]
    async fn finished_file_takes_no_rows() {
        let open = StagingWriter::new().unwrap();
        open.finish().await.unwrap();
        let error = open.add("s", batches().remove(0)).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot add rows to a staging file: the file is finished");
    }
}
