use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use polars_core::prelude::{DataFrame, PolarsError, PolarsResult};
use polars_io::parquet::write::{BatchedWriter, RowGroupIterColumns};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::error::ParquetError;
use crate::output::{Output, OutputName};

const ENCODE: &str = "encode rows";
const WRITE: &str = "write a row group";

/// The limit of row groups in memory: one of 16,384 rows takes about 20 MB.
const MAX_PARALLELISM: usize = 4;

/// How many row groups are encoded at the same time: one on each core, up to a limit.
pub(crate) fn parallelism() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(MAX_PARALLELISM)
}

type Encoded = Vec<RowGroupIterColumns<'static, PolarsError>>;

/// A Parquet file that is written row group by row group.
///
/// Encoding and compression take most of the time, so several row groups are encoded at the same time, each on its own
/// thread. They are written one after the other, in the order in which they were added.
pub(crate) struct RowGroups {
    file: Arc<BatchedWriter<Output>>,
    name: OutputName,
    encoding: FuturesOrdered<JoinHandle<Result<Encoded, ParquetError>>>,
    writing: Option<JoinHandle<Result<(), ParquetError>>>,
    parallelism: usize,
    /// The error that lost a row group. The file would have a gap, so nothing more is written.
    failure: Option<ParquetError>,
}

impl RowGroups {
    pub fn new(file: BatchedWriter<Output>, name: OutputName, parallelism: usize) -> Self {
        let (encoding, parallelism) = (FuturesOrdered::new(), parallelism.max(1));
        Self { file: Arc::new(file), name, encoding, writing: None, parallelism, failure: None }
    }

    /// Adds the rows that `make` returns, as soon as the limit allows another row group. Where the future is dropped while it
    /// waits, the rows are not added and the file is unchanged.
    ///
    /// # Errors
    /// [`ParquetError`] where earlier rows could not be written. The file cannot be used any more.
    pub async fn push(
        &mut self,
        make: impl FnOnce() -> Result<DataFrame, ParquetError> + Send + 'static,
    ) -> Result<(), ParquetError> {
        while self.encoding.len() >= self.parallelism {
            self.write_next().await?;
        }
        let file = Arc::clone(&self.file);
        self.encoding.push_back(spawn_blocking(move || {
            let rows = make()?;
            let encoded: PolarsResult<Encoded> = file.encode_and_compress(&rows).collect();
            encoded.map_err(ParquetError::from_polars(ENCODE))
        }));
        Ok(())
    }

    /// Writes all remaining row groups and the end of the file. Returns the size of the file in bytes.
    ///
    /// # Errors
    /// [`ParquetError`] where a row group or the end of the file could not be written.
    pub async fn finish(mut self) -> Result<u64, ParquetError> {
        while !self.encoding.is_empty() || self.writing.is_some() {
            self.write_next().await?;
        }
        let (file, name) = (self.file, self.name);
        let finished = spawn_blocking(move || file.finish().map_err(|cause| name.unwritable(cause)));
        finished.await.map_err(ParquetError::from_task(WRITE))?
    }

    /// Waits for the current write and for the next encoded row group, and starts to write that.
    async fn write_next(&mut self) -> Result<(), ParquetError> {
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        let next = self.next().await;
        self.failure = next.as_ref().err().cloned();
        let Some(encoded) = next? else { return Ok(()) };
        let (file, name) = (Arc::clone(&self.file), self.name.clone());
        let write = move || file.write_row_groups(encoded).map_err(|cause| name.unwritable(cause));
        self.writing = Some(spawn_blocking(write));
        Ok(())
    }

    /// The next encoded row group, after the current write has ended; `None` where there is none.
    async fn next(&mut self) -> Result<Option<Encoded>, ParquetError> {
        if let Some(writing) = &mut self.writing {
            let written = writing.await;
            self.writing = None;
            written.map_err(ParquetError::from_task(WRITE))??;
        }
        let encoded = self.encoding.next().await;
        encoded.transpose().map_err(ParquetError::from_task(ENCODE))?.transpose()
    }
}
