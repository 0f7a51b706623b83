//! The warehouse's function with its dataset.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use mongodb::Database;
use quiz_domain::rows::WarehouseTable;
use quiz_sample::SampleDocuments;
use quiz_stack::{BigQuery, Deployment, Stack};
use serde_json::{Map, Value};

use super::{Deployed, deploy};

pub type Row = Map<String, Value>;

pub struct WarehousePipeline {
    pub deployed: Deployed,
    pub bigquery: BigQuery,
    pub database: Database,
}

impl WarehousePipeline {
    /// Deploys all on these documents, and consumes the warehouse's queue; `endpoint` leads to BigQuery, else the
    /// stack's own.
    pub async fn deploy(documents: &SampleDocuments, endpoint: Option<&str>) -> Self {
        let endpoint = endpoint.map(|it| ("BigQueryEndpoint", it));
        Self::of(&deploy(documents, endpoint.as_slice()).await).await
    }

    pub async fn of(deployment: &Arc<Deployment>) -> Self {
        let deployed = Deployed::of(deployment, "sync-warehouse", "warehouse").await;
        let bigquery = deployed.stack.bigquery(&deployment.variable("BIGQUERY_DATASET")).await.unwrap();
        let database = deployed.stack.mongodb().await.unwrap().database(deployment.name());
        Self { deployed, bigquery, database }
    }

    /// The rows of a session in their order, without what differs from one run to the next.
    pub async fn rows(&self, table: WarehouseTable, session_id: &str) -> Vec<Row> {
        let sql = format!("SELECT * FROM {} WHERE session_id = '{session_id}'", table.name());
        comparable(self.bigquery.query(&sql).await.unwrap())
    }

    pub async fn all_rows(&self, session_id: &str) -> Vec<Vec<Row>> {
        let mut all = Vec::new();
        for table in WarehouseTable::ALL {
            all.push(self.rows(table, session_id).await);
        }
        all
    }
}

/// Rows with all numbers as doubles, in one order, and without what differs from one run to the next.
pub fn comparable(rows: Vec<Row>) -> Vec<Row> {
    let of_the_run = ["inserted_at", "inserted_at_timestamp", "sync_generation"];
    let rows = rows.into_iter().map(|row| {
        let kept = row.into_iter().filter(|(name, _)| !of_the_run.contains(&&**name));
        kept.map(|(name, value)| (name, super::comparable(value))).collect()
    });
    let mut rows: Vec<Row> = rows.collect();
    rows.sort_by_cached_key(|row| {
        let text = |name: &str| row.get(name).map(ToString::to_string);
        let position = row.get("question_position_index").and_then(Value::as_f64);
        let section = text("section").filter(|_| position.is_none());
        (text("user_id"), format!("{:010}", position.unwrap_or_default()), section)
    });
    rows
}

const DUCKDB: &str = "
import duckdb, json, sys
rows = duckdb.connect().execute('SELECT * REPLACE (CAST(inserted_at AS VARCHAR) AS inserted_at) FROM read_parquet(?)', [sys.argv[1]])
names = [column[0] for column in rows.description]
print(json.dumps([dict(zip(names, row)) for row in rows.fetchall()], default=str))
";

/// The rows of a Parquet file as DuckDB reads them.
pub async fn read_by_duckdb(path: &Path) -> Vec<Row> {
    let python = Stack::get().await.unwrap().python().unwrap();
    let read = Command::new(python).args(["-c", DUCKDB]).arg(path).env("TZ", "UTC").output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    comparable(serde_json::from_slice(&read.stdout).unwrap())
}
