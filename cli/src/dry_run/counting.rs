use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use quiz_domain::rows::{RowBatch, WarehouseTable};
use quiz_pipeline::ports::{StagedSession, Warehouse, WarehouseBatch, WarehouseError};

use crate::dry_run::difference::TableRows;

/// A warehouse that counts rows and writes none.
#[derive(Clone, Debug, Default)]
pub struct CountingWarehouse(Arc<Mutex<BTreeMap<WarehouseTable, u64>>>);

impl CountingWarehouse {
    pub fn rows(&self) -> Vec<TableRows> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(table, rows)| TableRows { table: *table, rows: *rows }).collect()
    }
}

impl Warehouse for CountingWarehouse {
    fn begin(&self) -> Result<Arc<dyn WarehouseBatch>, WarehouseError> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl WarehouseBatch for CountingWarehouse {
    async fn stage(&self, _session_id: &str, rows: RowBatch) -> Result<(), WarehouseError> {
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(rows.table()).or_default() += count;
        Ok(())
    }

    async fn replace(&self, tests: &[StagedSession]) -> Vec<Result<(), WarehouseError>> {
        tests.iter().map(|_| Ok(())).collect()
    }
}
