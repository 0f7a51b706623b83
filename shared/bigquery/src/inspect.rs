//! A dataset as BigQuery describes it, to be looked over by a person.

use std::sync::Arc;
use std::time::Duration;

use gcp_bigquery_client::model::job::Job;
use quiz_domain::rows::WarehouseTable;
use quiz_events::Backoff;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Api, Retries};
use crate::credentials::Credentials;
use crate::error::{BigQueryError, ErrorKind};
use crate::location::BigQueryLocation;
use crate::upload::UploadSizes;
use crate::{jobs, tables};

/// What a sync does to the rows of a table.
const ROW_PERMISSIONS: [&str; 3] =
    ["bigquery.tables.get", "bigquery.tables.getData", "bigquery.tables.updateData"];
/// A person waits: a request that fails is told rather than tried again.
const RETRIES: Retries =
    Retries { attempts: 1, backoff: Backoff { first: Duration::ZERO, longest: Duration::ZERO } };

/// How a table is, as a sync would find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableFacts {
    /// A sync makes it.
    Absent,
    Ours {
        /// Columns that a sync adds.
        to_add: Vec<&'static str>,
    },
    /// A sync refuses to write to it, for these reasons, a sentence each.
    Other(Vec<String>),
}

/// Looks at a dataset and changes nothing.
pub struct BigQueryInspector(Api);

impl BigQueryInspector {
    /// # Errors
    /// [`BigQueryError`] where Google gives no access token for the credentials.
    pub async fn connect(place: BigQueryLocation, credentials: Credentials) -> Result<Self, BigQueryError> {
        let api = Api::connect(place, RETRIES, UploadSizes::default(), Arc::new(credentials))?;
        api.bearer.token().await?;
        Ok(Self(api))
    }

    /// The dataset's location; `None` where there is no such dataset.
    ///
    /// # Errors
    /// [`BigQueryError`] where BigQuery does not tell.
    pub async fn location(&self) -> Result<Option<String>, BigQueryError> {
        match self.0.dataset().await {
            Ok(dataset) => Ok(Some(dataset.location.unwrap_or_default())),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// [`BigQueryError`] where BigQuery does not tell.
    pub async fn table(&self, table: WarehouseTable) -> Result<TableFacts, BigQueryError> {
        let Some(actual) = self.0.table(table.name()).await? else { return Ok(TableFacts::Absent) };
        let found = tables::check(table, &actual);
        if found.wrong.is_empty() {
            let to_add = found.missing.into_iter().map(|column| column.name).collect();
            return Ok(TableFacts::Ours { to_add });
        }
        Ok(TableFacts::Other(found.wrong))
    }

    /// Those of the permissions that a sync needs on a table that is there, which are not given.
    ///
    /// # Errors
    /// [`BigQueryError`] where BigQuery does not tell.
    pub async fn lacks_on(&self, table: WarehouseTable) -> Result<Vec<&'static str>, BigQueryError> {
        let method = format!("{}:testIamPermissions", table.name());
        let request = self.0.request(Method::POST, &["datasets", &self.0.place.dataset, "tables", &method]);
        let answer: Value = self.0.send(request.json(&json!({ "permissions": ROW_PERMISSIONS }))).await?;
        let given = answer.get("permissions").and_then(Value::as_array).map(Vec::as_slice);
        let is_given = |permission: &str| given.unwrap_or_default().iter().any(|it| it == permission);
        Ok(ROW_PERMISSIONS.into_iter().filter(|it| !is_given(it)).collect())
    }

    /// Asks what a query would do, which runs nothing and costs nothing.
    ///
    /// # Errors
    /// [`BigQueryError`] where no job may be run.
    pub async fn may_run_jobs(&self) -> Result<(), BigQueryError> {
        self.dry_run("SELECT 1".to_owned()).await
    }

    /// Asks what making a table in the dataset would do, which makes none.
    ///
    /// # Errors
    /// [`BigQueryError`] where no table may be made.
    pub async fn may_make_tables(&self) -> Result<(), BigQueryError> {
        let name = self.0.full_name("quiz_etl_doctor");
        self.dry_run(format!("CREATE TABLE `{name}` (column_1 STRING)")).await
    }

    async fn dry_run(&self, sql: String) -> Result<(), BigQueryError> {
        let job_id = format!("quiz_etl_doctor_{:016x}", fastrand::u64(..));
        let mut job: Job = jobs::query(&self.0, &job_id, sql, Vec::new());
        if let Some(configuration) = &mut job.configuration {
            configuration.dry_run = Some(true);
        }
        self.0.start(&job_id, &job).await.map(|_| ())
    }
}
