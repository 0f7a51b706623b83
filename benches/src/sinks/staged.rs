use std::sync::Arc;

use async_trait::async_trait;
use quiz_domain::rows::RowBatch;
use quiz_parquet::{ParquetError, StagingWriter};
use quiz_pipeline::ports::{StagedSession, Warehouse, WarehouseBatch, WarehouseError};

/// Encodes the rows into a staging file, as `quiz-bigquery` does, and drops it where that would be loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Staged;

struct Batch(StagingWriter);

impl Warehouse for Staged {
    fn begin(&self) -> Result<Arc<dyn WarehouseBatch>, WarehouseError> {
        Ok(Arc::new(Batch(StagingWriter::new().map_err(failed)?)))
    }
}

#[async_trait]
impl WarehouseBatch for Batch {
    async fn stage(&self, session_id: &str, rows: RowBatch) -> Result<(), WarehouseError> {
        self.0.add(session_id, rows).await.map_err(failed)
    }

    async fn replace(&self, tests: &[StagedSession]) -> Vec<Result<(), WarehouseError>> {
        let finished = self.0.finish().await.map_err(failed);
        tests.iter().map(|_| finished.as_ref().map(drop).map_err(Clone::clone)).collect()
    }
}

fn failed(cause: ParquetError) -> WarehouseError {
    WarehouseError::unavailable("encode rows", cause)
}
