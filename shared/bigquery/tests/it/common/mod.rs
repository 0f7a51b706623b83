//! The warehouse in the emulator, and its rows read back.
#![allow(clippy::unwrap_used, dead_code, reason = "helpers of several test files, which may panic")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use quiz_bigquery::{BigQueryLocation, BigQueryWarehouse, Credentials, Retries, Settings};
use quiz_domain::rows::WarehouseTable;
use quiz_events::Backoff;
use quiz_stack::{BIGQUERY_PROJECT, BigQuery, Stack, unique};
use quiz_suites::warehouse::Rows;
use serde_json::{Map, Value, json};

/// A dataset of its own.
pub struct Dataset {
    pub name: String,
    pub bigquery: BigQuery,
}

impl Dataset {
    pub async fn new() -> Self {
        let name = unique("assessments").replace('-', "_");
        let bigquery = Stack::get().await.unwrap().bigquery(&name).await.unwrap();
        Self { name, bigquery }
    }

    pub async fn warehouse(&self) -> BigQueryWarehouse {
        self.behind(Stack::get().await.unwrap().bigquery_endpoint())
    }

    /// The warehouse behind the endpoint.
    pub fn behind(&self, endpoint: &str) -> BigQueryWarehouse {
        self.with(endpoint, Credentials::Anonymous)
    }

    pub fn with(&self, endpoint: &str, credentials: Credentials) -> BigQueryWarehouse {
        BigQueryWarehouse::new(self.settings(endpoint), Arc::new(credentials))
    }

    pub fn settings(&self, endpoint: &str) -> Settings {
        let quick = Backoff { first: Duration::from_millis(20), longest: Duration::from_millis(300) };
        Settings {
            retries: Retries { attempts: 6, backoff: quick },
            job_attempts: 30,
            job_backoff: quick,
            ..Settings::new(BigQueryLocation {
                project: BIGQUERY_PROJECT.to_owned(),
                dataset: self.name.clone(),
                location: "asia-south1".to_owned(),
                endpoint: Some(endpoint.to_owned()),
            })
        }
    }

    /// The ends of the names of the jobs that the warehouse has run on this dataset.
    pub async fn jobs(&self) -> Vec<String> {
        let mut names = Vec::new();
        for job in self.bigquery.jobs().await.unwrap() {
            let text = job.to_string();
            let id = job["jobReference"]["jobId"].as_str().unwrap();
            if text.contains(&self.name)
                && id.starts_with("quiz_etl_")
                && job["statistics"]["parentJobId"].is_null()
            {
                names.push(id.splitn(4, '_').nth(3).unwrap().split_once('_').unwrap().1.to_owned());
            }
        }
        names.sort();
        names
    }

    pub async fn count(&self, table: WarehouseTable) -> i64 {
        let rows = self.bigquery.query(&format!("SELECT COUNT(*) AS n FROM {}", table.name())).await.unwrap();
        rows[0]["n"].as_i64().unwrap()
    }
}

#[async_trait]
impl Rows for Dataset {
    async fn rows(&self, table: WarehouseTable, session_id: &str) -> Vec<Map<String, Value>> {
        let sql = format!("SELECT * FROM {} WHERE session_id = '{session_id}'", table.name());
        let mut rows = self.bigquery.query(&sql).await.unwrap();
        for row in &mut rows {
            let seconds: f64 = row["inserted_at"].as_str().unwrap().parse().unwrap();
            let moment = Timestamp::from_duration(jiff::SignedDuration::try_from_secs_f64(seconds).unwrap());
            let micros = moment.unwrap().as_duration().as_micros();
            row.insert("inserted_at".to_owned(), json!(i64::try_from(micros).unwrap()));
        }
        rows
    }
}
