use std::fs::File;
use std::io::Write;

use jiff::Timestamp;
use jiff::civil::Date;
use polars::io::parquet::write::{BatchedWriter, ParquetWriter};
use polars::prelude::{Column, DataFrame, Field, IntoColumn, NamedFrom, PolarsResult, Schema, Series};
use quiz_domain::rows::{INSERTED_AT, START_DATE, WarehouseTable, days_since_1970};

use crate::error::ParquetError;
use crate::frame::dtype;
use crate::staging::{Group, read_group};

/// What all rows of a test share.
#[derive(Clone, Copy, Debug)]
pub struct TestValues {
    pub start_date: Date,
    pub inserted_at: Timestamp,
}

/// The finished file of one table, its columns those of the table.
pub struct TableFile<W: Write> {
    table: WarehouseTable,
    writer: BatchedWriter<W>,
}

impl<W: Write + Send> TableFile<W> {
    /// # Errors
    /// [`ParquetError`] where the file cannot be begun.
    pub fn new(table: WarehouseTable, file: W) -> Result<Self, ParquetError> {
        let fields = table.columns().map(|it| Field::new(it.name.into(), dtype(it.kind)));
        let schema: Schema = fields.collect();
        let writer = ParquetWriter::new(file).batched(&schema);
        Ok(Self { table, writer: writer.map_err(ParquetError::of("begin a Parquet file"))? })
    }

    /// Copies a group of a staging file, with the values that its test's rows share.
    ///
    /// # Errors
    /// [`ParquetError`] where it cannot be read or written.
    pub fn append(&mut self, staging: &File, group: &Group, values: TestValues) -> Result<(), ParquetError> {
        let own = self.table.row_columns().map(|it| it.name.to_owned()).collect();
        let rows = read_group(staging, group, Some(own))?;
        let frame = self.complete(&rows, values).map_err(ParquetError::of("complete rows"))?;
        self.writer.write_batch(&frame).map_err(ParquetError::of("write a Parquet file"))
    }

    fn complete(&self, rows: &DataFrame, values: TestValues) -> PolarsResult<DataFrame> {
        let columns: PolarsResult<Vec<Column>> = self
            .table
            .columns()
            .map(|spec| match spec {
                spec if *spec == START_DATE => {
                    let day = Series::new(spec.name.into(), [days_since_1970(values.start_date)]);
                    Ok(day.cast(&dtype(spec.kind))?.into_column().new_from_index(0, rows.height()))
                }
                spec if *spec == INSERTED_AT => {
                    let moment = Series::new(spec.name.into(), [values.inserted_at.as_microsecond()]);
                    Ok(moment.cast(&dtype(spec.kind))?.into_column().new_from_index(0, rows.height()))
                }
                spec => rows.column(spec.name).cloned(),
            })
            .collect();
        let mut frame = DataFrame::new(rows.height(), columns?)?;
        frame.rechunk_mut();
        Ok(frame)
    }

    /// # Errors
    /// [`ParquetError`] where the file's end cannot be written.
    pub fn finish(self) -> Result<u64, ParquetError> {
        self.writer.finish().map_err(ParquetError::of("end a Parquet file"))
    }
}
