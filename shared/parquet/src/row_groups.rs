use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use polars::io::parquet::write::{BatchedWriter, RowGroupIterColumns};
use polars::prelude::{DataFrame, PolarsError, PolarsResult};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::error::ParquetError;
use crate::output::{Output, OutputName};

const ENCODE: &str = "encode rows";
const WRITE: &str = "write a row group";

/// Row groups in the making, at most: one of 16,384 rows takes about 20 MB.
const MOST: usize = 4;

/// How many row groups are made at once: one on each core.
pub(crate) fn at_once() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(MOST)
}

type Encoded = Vec<RowGroupIterColumns<'static, PolarsError>>;

/// A Parquet file that is written row group by row group. A few are made at once, each on a thread of its own, and
/// they are written in the order in which they came.
pub(crate) struct RowGroups {
    file: Arc<BatchedWriter<Output>>,
    name: OutputName,
    making: FuturesOrdered<JoinHandle<Result<Encoded, ParquetError>>>,
    writing: Option<JoinHandle<Result<(), ParquetError>>>,
    at_once: usize,
    /// Why a group is lost: what would follow it would be torn.
    torn: Option<ParquetError>,
}

impl RowGroups {
    pub fn new(file: BatchedWriter<Output>, name: OutputName, at_once: usize) -> Self {
        let (making, at_once) = (FuturesOrdered::new(), at_once.max(1));
        Self { file: Arc::new(file), name, making, writing: None, at_once, torn: None }
    }

    /// Adds the rows that `make` makes, as soon as there is room. Where this is dropped while it waits, they are not
    /// added, and the file is as before.
    ///
    /// # Errors
    /// [`ParquetError`] where rows that were added before could not be written. The file is of no more use then.
    pub async fn push(
        &mut self,
        make: impl FnOnce() -> Result<DataFrame, ParquetError> + Send + 'static,
    ) -> Result<(), ParquetError> {
        while self.making.len() >= self.at_once {
            self.write_next().await?;
        }
        let file = Arc::clone(&self.file);
        self.making.push_back(spawn_blocking(move || {
            let rows = make()?;
            let encoded: PolarsResult<Encoded> = file.encode_and_compress(&rows).collect();
            encoded.map_err(ParquetError::of(ENCODE))
        }));
        Ok(())
    }

    /// The size of the file, in bytes.
    ///
    /// # Errors
    /// [`ParquetError`] where a row group or the file's end could not be written.
    pub async fn finish(mut self) -> Result<u64, ParquetError> {
        while !self.making.is_empty() || self.writing.is_some() {
            self.write_next().await?;
        }
        let (file, name) = (self.file, self.name);
        let ended = spawn_blocking(move || file.finish().map_err(|cause| name.unwritable(cause)));
        ended.await.map_err(ParquetError::broken_down(WRITE))?
    }

    /// Waits until the group that is being written is, and the next one is made, which is then written.
    async fn write_next(&mut self) -> Result<(), ParquetError> {
        if let Some(error) = &self.torn {
            return Err(error.clone());
        }
        let next = self.next().await;
        self.torn = next.as_ref().err().cloned();
        let Some(encoded) = next? else { return Ok(()) };
        let (file, name) = (Arc::clone(&self.file), self.name.clone());
        let write = move || file.write_row_groups(encoded).map_err(|cause| name.unwritable(cause));
        self.writing = Some(spawn_blocking(write));
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Encoded>, ParquetError> {
        if let Some(writing) = &mut self.writing {
            let written = writing.await;
            self.writing = None;
            written.map_err(ParquetError::broken_down(WRITE))??;
        }
        let made = self.making.next().await;
        made.transpose().map_err(ParquetError::broken_down(ENCODE))?.transpose()
    }
}
