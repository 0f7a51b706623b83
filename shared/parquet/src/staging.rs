use std::fs::File;
use std::io::Write;
use std::sync::LazyLock;

use polars::io::SerReader;
use polars::io::parquet::read::ParquetReader;
use polars::io::parquet::write::{BatchedWriter, ParquetCompression, ParquetWriter};
use polars::prelude::{DataFrame, Field, Schema};
use quiz_domain::rows::{CellType, ColumnSpec, RowBatch, WarehouseTable};

use crate::error::ParquetError;
use crate::frame::{dtype, staging_frame};

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

/// Writes a staging file, compressed with Zstandard.
pub struct StagingWriter<W: Write> {
    writer: BatchedWriter<W>,
    groups: Vec<Group>,
    rows: usize,
}

/// A group's rows; all columns, or these.
pub(crate) fn read_group(
    staging: &File,
    group: &Group,
    columns: Option<Vec<String>>,
) -> Result<DataFrame, ParquetError> {
    let failed = || ParquetError::of("read a staging file");
    let file = staging.try_clone().map_err(|cause| failed()(cause.into()))?;
    let reader = ParquetReader::new(file).with_columns(columns);
    let mut frame = reader.with_slice(Some((group.offset, group.rows))).finish().map_err(failed())?;
    frame.rechunk_mut();
    Ok(frame)
}

/// A finished staging file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Staged {
    pub bytes: u64,
    pub groups: Vec<Group>,
}

impl<W: Write + Send> StagingWriter<W> {
    /// # Errors
    /// [`ParquetError`] where the file cannot be begun.
    pub fn new(file: W) -> Result<Self, ParquetError> {
        let fields = staging_columns().iter().map(|it| Field::new(it.name.into(), dtype(it.kind)));
        let schema: Schema = fields.collect();
        let writer = ParquetWriter::new(file).with_compression(ParquetCompression::Zstd(None));
        let writer = writer.batched(&schema).map_err(ParquetError::of("begin a staging file"))?;
        Ok(Self { writer, groups: Vec::new(), rows: 0 })
    }

    /// Writes rows of one test and table.
    ///
    /// # Errors
    /// [`ParquetError`] where they cannot be written. The file is of no more use then.
    pub fn write(&mut self, session_id: &str, rows: &RowBatch) -> Result<(), ParquetError> {
        let frame = staging_frame(rows).map_err(ParquetError::of("encode rows"))?;
        self.append(&frame, session_id, rows.table())
    }

    /// Copies a group of another staging file.
    ///
    /// # Errors
    /// [`ParquetError`] where it cannot be read or written. The file is of no more use then.
    pub fn copy(&mut self, from: &File, group: &Group) -> Result<(), ParquetError> {
        let frame = read_group(from, group, None)?;
        self.append(&frame, &group.session_id, group.table)
    }

    fn append(
        &mut self,
        frame: &DataFrame,
        session_id: &str,
        table: WarehouseTable,
    ) -> Result<(), ParquetError> {
        self.writer.write_batch(frame).map_err(ParquetError::of("write rows to a staging file"))?;
        let group =
            Group { session_id: session_id.to_owned(), table, offset: self.rows, rows: frame.height() };
        self.rows += group.rows;
        self.groups.push(group);
        Ok(())
    }

    /// # Errors
    /// [`ParquetError`] where the file's end cannot be written.
    pub fn finish(self) -> Result<Staged, ParquetError> {
        let bytes = self.writer.finish().map_err(ParquetError::of("end a staging file"))?;
        Ok(Staged { bytes, groups: self.groups })
    }
}
