//! Reads Parquet files for comparisons.

use std::fs::File;
use std::path::Path;

use polars_core::prelude::{AnyValue, TimeUnit};
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;
use serde_json::{Map, Value, json};

/// The rows of a file, as polars reads them: a date as `YYYY-MM-DD`, a moment in microseconds since 1970.
#[must_use]
pub fn read_parquet(path: &Path) -> Vec<Map<String, Value>> {
    let frame = ParquetReader::new(File::open(path).unwrap()).finish().unwrap();
    let names: Vec<String> = frame.get_column_names().iter().map(ToString::to_string).collect();
    let row = |at: usize| {
        let cells = frame.columns().iter().map(|column| cell(&column.get(at).unwrap()));
        names.iter().cloned().zip(cells).collect()
    };
    (0..frame.height()).map(row).collect()
}

fn cell(value: &AnyValue<'_>) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(value) => json!(value),
        AnyValue::Int64(value) => json!(value),
        AnyValue::Float64(value) => json!(value),
        AnyValue::String(value) => json!(value),
        AnyValue::Date(days) => {
            let epoch = jiff::civil::date(1970, 1, 1);
            json!((epoch + jiff::Span::new().days(*days)).to_string())
        }
        AnyValue::Datetime(moment, TimeUnit::Microseconds, _) => json!(moment),
        other => panic!("no column holds {other:?}"),
    }
}
