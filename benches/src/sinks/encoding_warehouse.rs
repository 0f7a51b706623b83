use std::sync::Arc;

use async_trait::async_trait;
use quiz_domain::rows::RowBatch;
use quiz_parquet::{ParquetError, StagingWriter};
use quiz_pipeline::ports::{StagedSession, Warehouse, WarehouseBatch, WarehouseError};

/// A warehouse that encodes the rows into a staging file, like `quiz-bigquery`, and discards the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct EncodingWarehouse;

struct StagedRows(StagingWriter);

impl Warehouse for EncodingWarehouse {
    fn begin(&self) -> Result<Arc<dyn WarehouseBatch>, WarehouseError> {
        Ok(Arc::new(StagedRows(StagingWriter::new().map_err(failed)?)))
    }
}

#[async_trait]
impl WarehouseBatch for StagedRows {
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
