//! Writes Parquet files that every reader can open and filter.
//!
//! Parquet has one type for text. A file also holds an Arrow schema, which describes the writer's types in memory. polars
//! names its string views there. pyarrow cannot filter them, and pyarrow 14 and polars 0.20 cannot open such a file. This
//! writer names plain strings instead.

use std::io::Write;

use polars_core::prelude::{ArrowDataType, ArrowSchema, CompatLevel, Field, PolarsResult, Schema, SchemaExt};
use polars_io::parquet::write::{BatchedWriter, KeyValueMetadata, ParquetWriter};
use polars_parquet::write::schema_to_metadata_key;
use quiz_domain::rows::ColumnSpec;

use crate::frame::dtype;

/// Creates a file with these columns, compressed with Zstandard.
pub(crate) fn writer<'a, W: Write>(
    file: W,
    columns: impl Iterator<Item = &'a ColumnSpec>,
) -> PolarsResult<BatchedWriter<W>> {
    let schema: Schema = columns.map(|column| Field::new(column.name.into(), dtype(column.kind))).collect();
    ParquetWriter::new(file).with_key_value_metadata(Some(arrow_schema(&schema))).batched(&schema)
}

/// The Arrow schema that replaces polars' own in the file.
fn arrow_schema(schema: &Schema) -> KeyValueMetadata {
    let fields = schema.iter_fields().map(|field| {
        let mut field = field.to_arrow(CompatLevel::oldest());
        if field.dtype == ArrowDataType::LargeUtf8 {
            field.dtype = ArrowDataType::Utf8;
        }
        (field.name.clone(), field)
    });
    let schema: ArrowSchema = fields.collect();
    KeyValueMetadata::Static(vec![schema_to_metadata_key(&schema)])
}
