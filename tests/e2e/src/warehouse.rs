//! The function sync-warehouse with its dataset.

use std::path::Path;
use std::sync::Arc;

use mongodb::Database;
use quiz_domain::rows::WarehouseTable;
use quiz_sample::SampleDocuments;
use quiz_stack::{BigQuery, Deployment};
use serde_json::{Map, Value};

use super::{Deployed, deploy, run_python};

pub type Row = Map<String, Value>;

pub struct WarehousePipeline {
    pub deployed: Deployed,
    pub bigquery: BigQuery,
    pub database: Database,
}

impl WarehousePipeline {
    /// Deploys the pipeline on these documents and enables sync-warehouse. `endpoint` replaces the stack's BigQuery
    /// endpoint.
    pub async fn deploy(documents: &SampleDocuments, endpoint: Option<&str>) -> Self {
        let endpoint = endpoint.map(|url| ("BigQueryEndpoint", url));
        Self::of(&deploy(documents, endpoint.as_slice()).await).await
    }

    pub async fn of(deployment: &Arc<Deployment>) -> Self {
        let deployed = Deployed::of(deployment, "sync-warehouse", "warehouse").await;
        let bigquery = deployed.stack.bigquery(&deployment.variable("BIGQUERY_DATASET")).await.unwrap();
        let database = deployed.stack.mongodb().await.unwrap().database(deployment.name());
        Self { deployed, bigquery, database }
    }

    /// The sorted rows of a test session, without the columns that differ between two runs.
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

/// Sorted rows with all numbers as doubles, without the columns that differ between two runs.
pub fn comparable(rows: Vec<Row>) -> Vec<Row> {
    let run_columns = ["inserted_at", "inserted_at_timestamp", "sync_generation"];
    let rows = rows.into_iter().map(|row| {
        let kept = row.into_iter().filter(|(name, _)| !run_columns.contains(&&**name));
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

/// The rows of a Parquet file, read by DuckDB.
pub async fn read_by_duckdb(path: &Path) -> Vec<Row> {
    comparable(run_python(DUCKDB, [path]).await)
}

const FILTERS: &str = "
import json, sys
import pandas, polars, pyarrow.parquet
path, column, value = sys.argv[1], sys.argv[2], sys.argv[3]
by_pandas = pandas.read_parquet(path, filters=[(column, '==', value)])
day = by_pandas['start_date'][0]
on_day = pandas.read_parquet(path, filters=[(column, 'in', [value]), ('start_date', '==', day)])
by_polars = polars.scan_parquet(path).filter(polars.col(column) == value).collect()
types = sorted({str(field.type) for field in pyarrow.parquet.read_schema(path)})
print(json.dumps({'rows': [len(by_pandas), len(on_day), len(by_polars)], 'types': types}))
";

/// The results of analysts' readers for a Parquet file.
#[derive(Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Filtered {
    /// The number of rows with the value: by pandas, by pandas with an additional date filter, and by polars.
    pub rows: [usize; 3],
    /// The columns' types in pyarrow's words.
    pub types: Vec<String>,
}

/// Filters a Parquet file by a text column.
pub async fn filter_by_readers(path: &Path, (column, value): (&str, &str)) -> Filtered {
    run_python(FILTERS, path.to_str().into_iter().chain([column, value])).await
}
