use std::fs::File;
use std::sync::{Arc, LazyLock};

use polars::prelude::DataFrame;
use quiz_domain::rows::{CellType, ColumnSpec, RowBatch, WarehouseTable};
use tokio::sync::Mutex;

use crate::error::ParquetError;
use crate::frame::staging_frame;
use crate::group_reader::GroupReader;
use crate::output::OutputName;
use crate::row_groups::{self, RowGroups};
use crate::writer::writer;

/// The column of a staging file that names each row's table.
pub const ROW_TABLE: ColumnSpec = ColumnSpec {
    name: "row_table",
    kind: CellType::Text,
    required: false,
    description: "the table that the row is for",
};

/// The columns of a staging file: [`ROW_TABLE`], then those of every table. A name that several tables have
/// is one column: it has one type.
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

/// Consecutive rows of a staging file that are of one test and table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub session_id: String,
    pub table: WarehouseTable,
    /// The first row's place in the file.
    pub offset: usize,
    pub rows: usize,
}

/// A staging file that rows are added to, compressed with Zstandard. It lies on this machine's disk, without a name,
/// and goes with its last handle. Tests that are staged at the same time can share it.
pub struct OpenStaging {
    file: File,
    /// `None` once finished.
    parts: Mutex<Option<Parts>>,
}

struct Parts {
    row_groups: RowGroups,
    groups: Vec<Group>,
    rows: usize,
}

/// A finished staging file.
#[derive(Debug)]
pub struct StagingFile {
    pub file: File,
    pub bytes: u64,
    /// In the order of the file.
    pub groups: Vec<Group>,
}

impl OpenStaging {
    /// # Errors
    /// [`ParquetError`] where the file cannot be begun.
    pub fn new() -> Result<Self, ParquetError> {
        Self::with(row_groups::at_once())
    }

    fn with(at_once: usize) -> Result<Self, ParquetError> {
        let name = OutputName::new(format!("a temporary file in {}", std::env::temp_dir().display()));
        let file = tempfile::tempfile().map_err(|cause| name.unwritable(cause))?;
        Self::into_file(file, name, at_once)
    }

    fn into_file(file: File, name: OutputName, at_once: usize) -> Result<Self, ParquetError> {
        let copy = file.try_clone().map_err(|cause| name.unwritable(cause))?;
        let writer =
            writer(name.output(copy), staging_columns().iter()).map_err(|cause| name.unwritable(cause))?;
        let row_groups = RowGroups::new(writer, name, at_once);
        Ok(Self { file, parts: Mutex::new(Some(Parts { row_groups, groups: Vec::new(), rows: 0 })) })
    }

    /// Adds rows of one test and table, as soon as there is room: they are encoded and written while others are made.
    ///
    /// # Errors
    /// [`ParquetError`] where these or others before could not be written. The file is of no more use then.
    pub async fn add(&self, session_id: &str, rows: RowBatch) -> Result<(), ParquetError> {
        let of = (session_id, rows.table(), rows.len());
        self.push(of, move || staging_frame(&rows).map_err(ParquetError::of("encode rows"))).await
    }

    async fn push(
        &self,
        (session_id, table, rows): (&str, WarehouseTable, usize),
        make: impl FnOnce() -> Result<DataFrame, ParquetError> + Send + 'static,
    ) -> Result<(), ParquetError> {
        let mut parts = self.parts.lock().await;
        let parts = parts.as_mut().ok_or_else(finished)?;
        parts.row_groups.push(make).await?;
        parts.groups.push(Group { session_id: session_id.to_owned(), table, offset: parts.rows, rows });
        parts.rows += rows;
        Ok(())
    }

    /// # Errors
    /// [`ParquetError`] where not all could be written.
    pub async fn finish(&self) -> Result<StagingFile, ParquetError> {
        let parts = self.parts.lock().await.take().ok_or_else(finished)?;
        let bytes = parts.row_groups.finish().await?;
        let file = self.file.try_clone();
        let file = file.map_err(|cause| ParquetError::because("share a staging file", cause))?;
        Ok(StagingFile { file, bytes, groups: parts.groups })
    }
}

fn finished() -> ParquetError {
    ParquetError::because("add rows to a staging file", "it is finished")
}

impl StagingFile {
    #[must_use]
    pub fn rows(&self) -> usize {
        self.groups.iter().map(|group| group.rows).sum()
    }

    /// A file of only those groups that `keep` says.
    ///
    /// # Errors
    /// [`ParquetError`] where this one cannot be read, or the new one written.
    pub async fn part(&self, keep: impl Fn(&Group) -> bool) -> Result<Self, ParquetError> {
        let open = OpenStaging::new()?;
        let reader = Arc::new(GroupReader::of(self)?);
        for group in self.groups.iter().filter(|group| keep(group)) {
            let of = (group.session_id.as_str(), group.table, group.rows);
            let (reader, group) = (Arc::clone(&reader), group.clone());
            open.push(of, move || reader.read(&group, None)).await?;
        }
        open.finish().await
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek};

    use quiz_domain::rows::{QuestionRows, RowBatch, WarehouseTable};
    use quiz_domain::{Problems, Quiz, Taken, TestBuilder, TestSession};
    use quiz_sample::large::Large;

    use super::{OpenStaging, OutputName, StagingFile, staging_columns, staging_frame};
    use crate::writer::writer;

    /// Rows of so many students each.
    const SIZES: [usize; 7] = [40, 1, 0, 25, 3, 30, 2];

    fn batches() -> Vec<RowBatch> {
        let large = Large { students: 120, questions: 20, seed: 7 };
        let quiz = Quiz::read(&large.quiz(), &large.questions()).unwrap().0;
        let mut builder = TestBuilder::new(
            quiz.clone(),
            TestSession::default(),
            jiff::Timestamp::UNIX_EPOCH,
            Problems::default(),
        );
        let mut taken = large.sessions().filter_map(|document| match builder.take(&document) {
            Taken::Attempt(taken) => Some(taken),
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

    async fn staged(at_once: usize) -> StagingFile {
        let open = OpenStaging::with(at_once).unwrap();
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
    async fn the_file_is_the_same_however_many_row_groups_are_made_at_once() {
        let mut one_by_one = Vec::new();
        let mut writer = writer(&mut one_by_one, staging_columns().iter()).unwrap();
        for rows in batches() {
            writer.write_batch(&staging_frame(&rows).unwrap()).unwrap();
        }
        let written = writer.finish().unwrap();
        for at_once in [1, 2, 5] {
            let staged = staged(at_once).await;
            let rows: Vec<usize> = staged.groups.iter().map(|group| group.rows).collect();
            assert_eq!((staged.bytes, rows), (written, SIZES.map(|students| students * 20).to_vec()));
            assert!(bytes(staged.file) == one_by_one, "{at_once} at once");
        }
    }

    #[tokio::test]
    async fn full_disk_is_named_by_every_call() {
        let full = || File::options().read(true).write(true).open("/dev/full").unwrap();
        let open = OpenStaging::into_file(full(), OutputName::new("/scratch/rows".into()), 1);
        let says_why = |error: crate::ParquetError| {
            let shown = error.to_string();
            assert!(shown.starts_with("cannot write /scratch/rows: No space left on device"), "{shown}");
        };
        // a writer may find out when it begins the file, or later
        let open = match open {
            Ok(open) => open,
            Err(error) => return says_why(error),
        };
        for rows in batches() {
            // the rows of one call are written while later calls make theirs
            let _ = open.add("s", rows).await.map_err(says_why);
        }
        says_why(open.add("s", batches().remove(0)).await.unwrap_err());
        says_why(open.finish().await.unwrap_err());
    }

    #[tokio::test]
    async fn a_part_has_the_rows_of_its_tests() {
        let staged = staged(3).await;
        let part = staged.part(|group| group.session_id != "0").await.unwrap();
        assert_eq!((staged.rows() - part.rows(), part.groups.len()), (SIZES[0] * 20, SIZES.len() - 1));
        let whole = part.part(|_| true).await.unwrap();
        assert!(bytes(whole.file) == bytes(part.file));
    }

    #[tokio::test]
    async fn a_finished_file_takes_no_rows() {
        let open = OpenStaging::new().unwrap();
        open.finish().await.unwrap();
        let error = open.add("s", batches().remove(0)).await.unwrap_err();
        assert_eq!(error.to_string(), "could not add rows to a staging file: it is finished");
    }
}
