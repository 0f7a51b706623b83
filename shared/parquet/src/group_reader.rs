use std::fs::File;

use polars_core::prelude::{DataFrame, PolarsResult};
use polars_io::SerReader;
use polars_io::parquet::metadata::FileMetadataRef;
use polars_io::parquet::read::ParquetReader;

use crate::error::ParquetError;
use crate::staging::{Group, StagingFile};

const READ: &str = "read a staging file";

/// Reads the groups of a staging file, on several threads at the same time. The file's handles share one position, and only
/// the metadata at the end of the file is read through that position.
pub(crate) struct GroupReader {
    file: File,
    metadata: FileMetadataRef,
}

impl GroupReader {
    pub fn open(staging: &StagingFile) -> Result<Self, ParquetError> {
        let file = || staging.file.try_clone().map_err(|cause| ParquetError::new(READ, cause));
        let mut reader = ParquetReader::new(file()?);
        let metadata = reader.get_metadata().map_err(ParquetError::from_polars(READ))?.clone();
        Ok(Self { file: file()?, metadata })
    }

    /// Reads the rows of a group, with all columns or with these.
    pub fn read(&self, group: &Group, columns: Option<Vec<String>>) -> Result<DataFrame, ParquetError> {
        let file = self.file.try_clone().map_err(|cause| ParquetError::new(READ, cause))?;
        let read = |columns| -> PolarsResult<DataFrame> {
            let mut reader = ParquetReader::new(file).with_columns(columns);
            reader.set_metadata(self.metadata.clone());
            let mut frame = reader.with_slice(Some((group.offset, group.rows))).finish()?;
            frame.rechunk_mut();
            Ok(frame)
        };
        read(columns).map_err(ParquetError::from_polars(READ))
    }
}
