use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use polars_core::prelude::{Column, DataFrame, IntoColumn, NamedFrom, PolarsResult, Series};
use quiz_domain::rows::{INSERTED_AT, START_DATE, WarehouseTable, days_since_1970};

use crate::error::ParquetError;
use crate::frame::dtype;
use crate::group_reader::GroupReader;
use crate::output::OutputName;
use crate::row_groups::{RowGroups, parallelism};
use crate::staging::StagingFile;
use crate::writer::writer;

/// The values that all rows of a test session share.
#[derive(Clone, Copy, Debug)]
pub struct SharedValues {
    pub start_date: Date,
    pub inserted_at: Timestamp,
}

/// Writes the finished file of one table: its rows in a staging file, with the shared values added. Errors name `path`.
///
/// # Errors
/// [`ParquetError`] where the staging file cannot be read, or the finished file cannot be written.
pub async fn write_table(
    table: WarehouseTable,
    (path, file): (&Path, File),
    staging: &StagingFile,
    values: SharedValues,
) -> Result<(), ParquetError> {
    let name = OutputName::new(path.display().to_string());
    let writer = writer(name.output(file), table.columns()).map_err(|cause| name.unwritable(cause))?;
    let mut row_groups = RowGroups::new(writer, name, parallelism());
    let reader = Arc::new(GroupReader::open(staging)?);
    for group in staging.groups.iter().filter(|group| group.table == table) {
        let (reader, group) = (Arc::clone(&reader), group.clone());
        let rows = move || {
            let names = table.row_columns().map(|column| column.name.to_owned()).collect();
            let rows = reader.read(&group, Some(names))?;
            complete(table, &rows, values).map_err(ParquetError::from_polars("complete rows"))
        };
        row_groups.push(rows).await?;
    }
    row_groups.finish().await.map(drop)
}

/// Adds the columns of the shared values.
fn complete(table: WarehouseTable, rows: &DataFrame, values: SharedValues) -> PolarsResult<DataFrame> {
    let columns: PolarsResult<Vec<Column>> = table
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
