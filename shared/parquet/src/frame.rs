use polars_core::prelude::{
    Column, DataFrame, DataType, IntoColumn, NamedFrom, PolarsResult, Series, TimeUnit, TimeZone,
};
use quiz_domain::rows::{CellType, ColumnData, ColumnSpec, RowBatch};

use crate::staging::{ROW_TABLE, staging_columns};

/// The type of a column in polars, which decides its type in Parquet.
pub fn dtype(kind: CellType) -> DataType {
    match kind {
        CellType::Text => DataType::String,
        CellType::Int => DataType::Int64,
        CellType::Float => DataType::Float64,
        CellType::Bool => DataType::Boolean,
        CellType::Date => DataType::Date,
        CellType::Instant => DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)),
    }
}

/// Makes a data frame with all columns of a staging file. The columns of other tables are null.
pub fn staging_frame(rows: &RowBatch) -> PolarsResult<DataFrame> {
    let mut own: Vec<(&ColumnSpec, &ColumnData)> = rows.columns().collect();
    let mut columns = Vec::new();
    for spec in staging_columns() {
        columns.push(match own.iter().position(|(column, _)| column.name == spec.name) {
            Some(at) => {
                let (spec, data) = own.swap_remove(at);
                column(spec, data)?
            }
            None if *spec == ROW_TABLE => Series::new(spec.name.into(), [rows.table().name()])
                .into_column()
                .new_from_index(0, rows.len()),
            None => Column::full_null(spec.name.into(), rows.len(), &dtype(spec.kind)),
        });
    }
    DataFrame::new(rows.len(), columns)
}

fn column(spec: &ColumnSpec, data: &ColumnData) -> PolarsResult<Column> {
    let name = spec.name.into();
    let series = match data {
        ColumnData::Text(texts) => Series::new(name, texts.iter().collect::<Vec<_>>()),
        ColumnData::Int(values) => Series::new(name, values),
        ColumnData::Float(values) => Series::new(name, values),
        ColumnData::Bool(values) => Series::new(name, values),
        ColumnData::Date(values) => Series::new(name, values),
    };
    Ok(series.cast(&dtype(spec.kind))?.into_column())
}
