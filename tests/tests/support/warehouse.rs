//! The warehouse's function with its dataset.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mongodb::Database;
use quiz_domain::rows::WarehouseTable;
use quiz_sample::SampleDocuments;
use quiz_stack::{
    BIGQUERY_PROJECT, BigQuery, Delivery, Gate, Stack, service_account_key, token_issuer, unique,
};
use serde_json::{Map, Value, json};

use super::Deployed;

pub type Row = Map<String, Value>;

pub struct WarehousePipeline {
    pub deployed: Deployed,
    pub bigquery: BigQuery,
    pub database: Database,
    /// Who gives the function its tokens for the key that it has from Secrets Manager.
    pub issuer: Gate,
}

impl WarehousePipeline {
    /// Deploys the real binary of sync-warehouse on these documents; `endpoint` leads to BigQuery, else the stack's own.
    pub async fn deploy(documents: &SampleDocuments, endpoint: Option<&str>, visibility: Duration) -> Self {
        Self::deploy_telling(documents, endpoint, visibility, None).await
    }

    /// The same, its notices sent to that topic.
    pub async fn deploy_telling(
        documents: &SampleDocuments,
        endpoint: Option<&str>,
        visibility: Duration,
        notices: Option<&str>,
    ) -> Self {
        let stack = Stack::get().await.unwrap();
        let name = unique("warehouse");
        let dataset = name.replace('-', "_");
        let bigquery = stack.bigquery(&dataset).await.unwrap();
        let token = json!({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"});
        let issuer = token_issuer(200, &token).unwrap();
        let key = service_account_key(issuer.url()).unwrap().to_string();
        let secrets = aws_sdk_secretsmanager::Client::new(&stack.aws_config());
        let secret = format!("{name}-bigquery-key");
        secrets.create_secret().name(&secret).secret_string(key).send().await.unwrap();
        let environment = [
            ("BIGQUERY_CREDENTIALS_SECRET_ID", secret.as_str()),
            ("NOTICES_TOPIC_ARN", notices.unwrap_or_default()),
            ("BIGQUERY_PROJECT", BIGQUERY_PROJECT),
            ("BIGQUERY_DATASET", dataset.as_str()),
            ("BIGQUERY_ENDPOINT", endpoint.unwrap_or(stack.bigquery_endpoint())),
        ];
        let deployed =
            Deployed::new("sync-warehouse", name, documents, Delivery::Envelope, visibility, &environment)
                .await;
        let database = stack.mongodb().await.unwrap().database(&deployed.name);
        Self { deployed, bigquery, database, issuer }
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
