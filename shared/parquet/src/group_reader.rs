use std::fs::File;

use polars::io::SerReader;
use polars::io::parquet::metadata::FileMetadataRef;
use polars::io::parquet::read::ParquetReader;
use polars::prelude::{DataFrame, PolarsResult};

use crate::error::ParquetError;
use crate::staging::{Group, StagingFile};

const READ: &str = "read a staging file";

/// Reads the groups of a staging file, several at a time: its handles share one position, which only the metadata at
/// its end is read by.
pub(crate) struct GroupReader {
    file: File,
    metadata: FileMetadataRef,
}

impl GroupReader {
    pub fn of(staging: &StagingFile) -> Result<Self, ParquetError> {
        let file = || staging.file.try_clone().map_err(|cause| ParquetError::because(READ, cause));
        let mut reader = ParquetReader::new(file()?);
        let metadata = reader.get_metadata().map_err(ParquetError::of(READ))?.clone();
        Ok(Self { file: file()?, metadata })
    }

    /// A group's rows; all columns, or these.
    pub fn read(&self, group: &Group, columns: Option<Vec<String>>) -> Result<DataFrame, ParquetError> {
        let file = self.file.try_clone().map_err(|cause| ParquetError::because(READ, cause))?;
        let read = |columns| -> PolarsResult<DataFrame> {
            let mut reader = ParquetReader::new(file).with_columns(columns);
            reader.set_metadata(self.metadata.clone());
            let mut frame = reader.with_slice(Some((group.offset, group.rows))).finish()?;
            frame.rechunk_mut();
            Ok(frame)
        };
        read(columns).map_err(ParquetError::of(READ))
    }
}
