//! One load job, one transaction: and what is done where they fail.

use std::collections::HashSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use gcp_bigquery_client::model::job::Job;
use gcp_bigquery_client::model::job_configuration::JobConfiguration;
use gcp_bigquery_client::model::job_configuration_load::JobConfigurationLoad;
use gcp_bigquery_client::model::table_reference::TableReference;
use jiff::Timestamp;
use quiz_parquet::{StagingFile, staging_columns};
use quiz_pipeline::ports::{StagedSession, WarehouseError};

use crate::api::Api;
use crate::error::{BigQueryError, ErrorKind};
use crate::warehouse::{Settings, told};
use crate::{jobs, schema, sql, upload};

const LOAD: &str = "load rows into BigQuery";
const COMMIT: &str = "replace rows in BigQuery";

pub(crate) type Results = Vec<Result<(), WarehouseError>>;

/// One batch on its way into BigQuery.
pub(crate) struct Run<'a> {
    pub api: &'a Api,
    pub settings: &'a Settings,
    /// When the staging tables go by themselves.
    pub expires: Timestamp,
}

impl Run<'_> {
    /// Loads the tests' rows and replaces what the tables have of them. Where BigQuery refuses rows, the
    /// tests are halved until those are found whose rows they are; the others land.
    pub fn load_and_commit(
        &self,
        name: String,
        staging: StagingFile,
        tests: Vec<StagedSession>,
    ) -> BoxFuture<'_, Results> {
        Box::pin(async move {
            if staging.groups.is_empty() {
                return self.commit(name, None, tests).await;
            }
            match Box::pin(self.load(&name, &staging)).await {
                Ok(()) => {
                    let results = self.commit(name.clone(), Some(name.clone()), tests).await;
                    self.api.drop_table(&name).await;
                    results
                }
                Err(error) if error.kind != ErrorKind::Rows => {
                    let error = told(LOAD, &error);
                    tests.iter().map(|_| Err(error.clone())).collect()
                }
                Err(error) if tests.len() <= 1 => tests
                    .into_iter()
                    .map(|test| {
                        let cause = Arc::new(error.clone());
                        Err(WarehouseError::Rows { session_id: test.session_id, cause })
                    })
                    .collect(),
                Err(error) => {
                    tracing::warn!(tests = tests.len(), error = %error, "rows refused, tests halved");
                    self.load_halves(&name, &staging, tests).await
                }
            }
        })
    }

    async fn load_halves(&self, name: &str, staging: &StagingFile, tests: Vec<StagedSession>) -> Results {
        let (first, second) = halves(tests);
        let mut results = Vec::with_capacity(first.len() + second.len());
        for (half, tests) in [("a", first), ("b", second)] {
            let sessions: HashSet<&str> = tests.iter().map(|test| test.session_id.as_str()).collect();
            let part = staging.part(|group| sessions.contains(group.session_id.as_str())).await;
            match part {
                Ok(part) => results.extend(self.load_and_commit(format!("{name}{half}"), part, tests).await),
                Err(cause) => {
                    let error = WarehouseError::unavailable(LOAD, cause);
                    results.extend(tests.iter().map(|_| Err(error.clone())));
                }
            }
        }
        results
    }

    /// Loads the file into a new table of this name.
    async fn load(&self, name: &str, staging: &StagingFile) -> Result<(), BigQueryError> {
        let schema = schema::nullable(staging_columns());
        self.api.create_expiring(name, schema, self.expires).await?;
        let place = &self.api.place;
        let load = JobConfigurationLoad {
            destination_table: Some(TableReference::new(&place.project, &place.dataset, name)),
            source_format: Some("PARQUET".to_owned()),
            create_disposition: Some("CREATE_NEVER".to_owned()),
            // a guard: rows that are there are not added to
            write_disposition: Some("WRITE_EMPTY".to_owned()),
            ..JobConfigurationLoad::default()
        };
        let configuration = JobConfiguration { load: Some(load), ..JobConfiguration::default() };
        let job = self
            .job(&format!("{name}_load"), |job_id| {
                let job = jobs::named(self.api, &job_id, configuration.clone());
                async move { upload::load(self.api, &job_id, &job, &staging.file, staging.bytes).await }
            })
            .await?;
        let loaded = job.statistics.and_then(|it| it.load).and_then(|it| it.output_rows);
        let loaded = loaded.and_then(|rows| rows.parse::<usize>().ok());
        tracing::info!(table = name, rows = staging.rows(), bytes = staging.bytes, "rows loaded");
        match loaded {
            Some(rows) if rows != staging.rows() => {
                let staged = staging.rows();
                let message = format!("{rows} rows of {staged} were loaded into {name}");
                Err(BigQueryError::new(ErrorKind::Transient, message))
            }
            _ => Ok(()),
        }
    }

    /// Replaces the tests' rows in one transaction. Where that fails for another cause than others' writes,
    /// the tests are halved, so that those land for which it works.
    fn commit(
        &self,
        name: String,
        staging: Option<String>,
        tests: Vec<StagedSession>,
    ) -> BoxFuture<'_, Results> {
        Box::pin(async move {
            if !tests.iter().all(|test| test.fence.holds()) {
                return self.commit_held(name, staging, tests).await;
            }
            let script = sql::replace(|table| self.api.full_name(table), staging.as_deref());
            let parameters = vec![sql::session_ids(&tests), sql::tests(&tests)];
            let job = self
                .job(&format!("{name}_commit"), |job_id| {
                    let job = jobs::query(self.api, &job_id, script.clone(), parameters.clone());
                    let held = tests.iter().all(|test| test.fence.holds());
                    async move { if held { self.api.start(&job_id, &job).await } else { Err(lease_over()) } }
                })
                .await;
            match job {
                Err(error) if error.kind == ErrorKind::LeaseOver => {
                    self.commit_held(format!("{name}h"), staging, tests).await
                }
                Ok(_) => {
                    tracing::info!(tests = tests.len(), "rows replaced");
                    tests.iter().map(|_| Ok(())).collect()
                }
                Err(error) if error.kind == ErrorKind::Overtaken && tests.len() == 1 => {
                    tracing::warn!(error = %error, "rows not replaced: a later run has written them");
                    let over =
                        |test: StagedSession| Err(WarehouseError::LeaseOver { session_id: test.session_id });
                    tests.into_iter().map(over).collect()
                }
                Err(error)
                    if matches!(error.kind, ErrorKind::Refused | ErrorKind::Overtaken) && tests.len() > 1 =>
                {
                    tracing::warn!(tests = tests.len(), error = %error, "transaction refused, tests halved");
                    let (first, second) = halves(tests);
                    let mut results = self.commit(format!("{name}a"), staging.clone(), first).await;
                    results.extend(self.commit(format!("{name}b"), staging, second).await);
                    results
                }
                Err(error) => {
                    let error = told(COMMIT, &error);
                    tests.iter().map(|_| Err(error.clone())).collect()
                }
            }
        })
    }

    /// Commits those tests only whose runs may still write.
    async fn commit_held(&self, name: String, staging: Option<String>, tests: Vec<StagedSession>) -> Results {
        let sessions: Vec<String> = tests.iter().map(|test| test.session_id.clone()).collect();
        let held: Vec<StagedSession> = tests.into_iter().filter(|test| test.fence.holds()).collect();
        let held_sessions: HashSet<String> = held.iter().map(|test| test.session_id.clone()).collect();
        let mut committed =
            if held.is_empty() { Vec::new() } else { self.commit(name, staging, held).await }.into_iter();
        let of_session = |session_id: String| {
            let result = if held_sessions.contains(&session_id) { committed.next() } else { None };
            result.unwrap_or(Err(WarehouseError::LeaseOver { session_id }))
        };
        sessions.into_iter().map(of_session).collect()
    }

    /// Runs a job to its end. One that failed for no fault of its own runs again, under the next name: a name
    /// is used once, so a call that is retried finds its own job.
    async fn job<F>(&self, name: &str, start: impl Fn(String) -> F) -> Result<Job, BigQueryError>
    where
        F: Future<Output = Result<Job, BigQueryError>>,
    {
        let mut attempt = 1;
        loop {
            let job_id = format!("{name}_{attempt}");
            let ended = match Box::pin(start(job_id.clone())).await {
                Ok(started) => Box::pin(jobs::ended(self.api, &job_id, started)).await,
                // the request was retried already
                Err(error) => return Err(error),
            };
            match ended {
                Err(error)
                    if matches!(error.kind, ErrorKind::Transient | ErrorKind::Collision)
                        && attempt < self.settings.job_attempts =>
                {
                    tracing::warn!(job_id, attempt, error = %error, "job failed, run again");
                    tokio::time::sleep(self.settings.job_backoff.wait(attempt)).await;
                    attempt += 1;
                }
                other => return other,
            }
        }
    }
}

fn lease_over() -> BigQueryError {
    BigQueryError::new(ErrorKind::LeaseOver, "the lease of a test is over".to_owned())
}

fn halves(mut tests: Vec<StagedSession>) -> (Vec<StagedSession>, Vec<StagedSession>) {
    let second = tests.split_off(tests.len() / 2);
    (tests, second)
}
