//! Inspects a dataset for `quiz-etl doctor`, and changes nothing.

use std::sync::Arc;
use std::time::Duration;

use quiz_domain::rows::WarehouseTable;
use quiz_events::Backoff;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Api, Retries};
use crate::credentials::CredentialsSource;
use crate::error::{BigQueryError, ErrorKind};
use crate::existing::TableDifferences;
use crate::jobs;
use crate::location::BigQueryLocation;
use crate::upload::UploadSizes;
use crate::warehouse::BYTES_PER_JOB;

/// The permissions that a sync needs on a table.
const ROW_PERMISSIONS: [&str; 4] = [
    "bigquery.tables.get",
    "bigquery.tables.getData",
    "bigquery.tables.update",
    "bigquery.tables.updateData",
];
/// One try, as a person waits for the answer.
const RETRIES: Retries =
    Retries { attempts: 1, backoff: Backoff { first: Duration::ZERO, longest: Duration::ZERO } };

/// Reads the facts and permissions of one dataset.
pub struct BigQueryInspector(Api);

impl BigQueryInspector {
    /// Prepares the requests; reads no credentials yet.
    ///
    /// # Errors
    /// [`BigQueryError`] if the endpoint is not a URL.
    pub fn new(
        place: BigQueryLocation,
        credentials: Arc<dyn CredentialsSource>,
    ) -> Result<Self, BigQueryError> {
        Api::connect(place, RETRIES, UploadSizes::default(), BYTES_PER_JOB, credentials).map(Self)
    }

    /// The kind of the credentials and the identity behind them, for people.
    ///
    /// # Errors
    /// [`BigQueryError`] if the credentials cannot be read or used.
    pub async fn identity(&self) -> Result<String, BigQueryError> {
        self.0.bearer.identity().await
    }

    /// Gets an access token.
    ///
    /// # Errors
    /// [`BigQueryError`] if Google gives no access token for the credentials.
    pub async fn check_token(&self) -> Result<(), BigQueryError> {
        self.0.bearer.token().await.map(drop)
    }

    /// The dataset's location; `None` if the dataset does not exist.
    ///
    /// # Errors
    /// [`BigQueryError`] if BigQuery does not answer.
    pub async fn location(&self) -> Result<Option<String>, BigQueryError> {
        match self.0.dataset().await {
            Ok(dataset) => Ok(Some(dataset.location.unwrap_or_default())),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Compares a table with the columns that a sync writes; `None` if the table does not exist, so a sync creates it.
    ///
    /// # Errors
    /// [`BigQueryError`] if BigQuery does not answer.
    pub async fn table(&self, table: WarehouseTable) -> Result<Option<TableDifferences>, BigQueryError> {
        let existing = self.0.table(table.name()).await?;
        Ok(existing.map(|existing| existing.compare(table, &self.0.full_name(table.name()))))
    }

    /// The permissions that a sync needs on an existing table and that the credentials lack.
    ///
    /// # Errors
    /// [`BigQueryError`] if BigQuery does not answer.
    pub async fn missing_permissions(
        &self,
        table: WarehouseTable,
    ) -> Result<Vec<&'static str>, BigQueryError> {
        let method = format!("{}:testIamPermissions", table.name());
        let request = self.0.request(Method::POST, &["datasets", &self.0.place.dataset, "tables", &method]);
        let answer: Value = self.0.send(request.json(&json!({ "permissions": ROW_PERMISSIONS }))).await?;
        let given = answer.get("permissions").and_then(Value::as_array).map(Vec::as_slice);
        let is_given = |permission: &str| given.unwrap_or_default().iter().any(|given| given == permission);
        Ok(ROW_PERMISSIONS.into_iter().filter(|permission| !is_given(permission)).collect())
    }

    /// Checks the right to run jobs by a dry run, which runs nothing and costs nothing.
    ///
    /// # Errors
    /// [`BigQueryError`] if the credentials may not run jobs.
    pub async fn check_run_jobs(&self) -> Result<(), BigQueryError> {
        self.dry_run("SELECT 1".to_owned()).await
    }

    /// Checks the right to create tables in the dataset by a dry run, which creates none.
    ///
    /// # Errors
    /// [`BigQueryError`] if the credentials may not create tables.
    pub async fn check_create_tables(&self) -> Result<(), BigQueryError> {
        let name = self.0.full_name("quiz_etl_doctor");
        self.dry_run(format!("CREATE TABLE `{name}` (column_1 STRING)")).await
    }

    async fn dry_run(&self, sql: String) -> Result<(), BigQueryError> {
        let job_id = format!("quiz_etl_doctor_{:016x}", fastrand::u64(..));
        jobs::dry_run(&self.0, &job_id, sql, Vec::new()).await.map(drop)
    }
}
