//! Writes a batch: one load job into a staging table, then one transaction that replaces the rows of its test sessions.
//!
//! The problem: BigQuery refuses a load job or a transaction as a whole, so the rows of one test session could stop a
//! batch. If it refuses rows, or the transaction, the batch is halved until each test session that causes the refusal is
//! alone; the others are written.
//!
//! Invariants: a run commits only test sessions whose lease it holds. A job runs once for each of its names, so a retried
//! request finds its own job and loads nothing twice. A transaction stops if a later run has committed one of its test
//! sessions ([`sql`]). Transactions of one dataset always conflict, so a process commits one batch at a time. Decision: `docs/decisions/0006-replace-rows.md`.

use std::collections::HashSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use gcp_bigquery_client::model::job_configuration::JobConfiguration;
use gcp_bigquery_client::model::job_configuration_load::JobConfigurationLoad;
use gcp_bigquery_client::model::table_reference::TableReference;
use jiff::Timestamp;
use jiff::civil::Date;
use quiz_parquet::{StagingFile, staging_columns};
use quiz_pipeline::ports::{StagedSession, WarehouseError};
use tokio::sync::Mutex;

use crate::api::Api;
use crate::error::{BigQueryError, ErrorKind};
use crate::warehouse::{Settings, warehouse_error};
use crate::{jobs, schema, sql, upload};

const LOAD: &str = "load rows into BigQuery";
const COMMIT: &str = "replace rows in BigQuery";
/// In bytes. BigQuery refuses a script of more than 1 MB.
const LONGEST_SCRIPT: usize = 900_000;

/// A result for each test session, in the order of the batch.
pub(crate) type Results = Vec<Result<(), WarehouseError>>;

/// The write of one batch.
pub(crate) struct BatchWrite<'a> {
    pub api: &'a Api,
    /// The day after the creation of the table of generations.
    pub since: Date,
    pub settings: &'a Settings,
    /// Held during a commit.
    pub commits: &'a Mutex<()>,
    /// When BigQuery drops the staging tables.
    pub expires: Timestamp,
}

impl BatchWrite<'_> {
    /// Loads the rows and commits them; `name` is the staging table and begins the names of the jobs.
    ///
    /// If BigQuery refuses rows, halves the test sessions and tries again, until each one with refused rows is alone.
    pub fn load_and_commit(
        &self,
        name: String,
        staging: StagingFile,
        sessions: Vec<StagedSession>,
    ) -> BoxFuture<'_, Results> {
        Box::pin(async move {
            if staging.groups.is_empty() {
                return self.commit(name, None, sessions).await;
            }
            match Box::pin(self.load(&name, &staging)).await {
                Ok(()) => {
                    let results = self.commit(name.clone(), Some(name.clone()), sessions).await;
                    self.api.drop_table(&name).await;
                    results
                }
                Err(error) if error.kind != ErrorKind::Rows => {
                    let error = warehouse_error(LOAD, &error);
                    sessions.iter().map(|_| Err(error.clone())).collect()
                }
                Err(error) if sessions.len() <= 1 => sessions
                    .into_iter()
                    .map(|session| {
                        let cause = Arc::new(error.clone());
                        Err(WarehouseError::Rows { session_id: session.session_id, cause })
                    })
                    .collect(),
                Err(error) => {
                    tracing::warn!(sessions = sessions.len(), error = %error, "rows refused, batch halved");
                    self.load_halves(&name, &staging, sessions).await
                }
            }
        })
    }

    async fn load_halves(&self, name: &str, staging: &StagingFile, sessions: Vec<StagedSession>) -> Results {
        let (first, second) = halves(sessions);
        let mut results = Vec::with_capacity(first.len() + second.len());
        for (suffix, half) in [("a", first), ("b", second)] {
            let ids: HashSet<&str> = half.iter().map(|session| session.session_id.as_str()).collect();
            let part = staging.part(|group| ids.contains(group.session_id.as_str())).await;
            match part {
                Ok(part) => results.extend(self.load_and_commit(format!("{name}{suffix}"), part, half).await),
                Err(cause) => {
                    let error = WarehouseError::unavailable(LOAD, cause);
                    results.extend(half.iter().map(|_| Err(error.clone())));
                }
            }
        }
        results
    }

    /// Loads the file into a new table `name`.
    async fn load(&self, name: &str, staging: &StagingFile) -> Result<(), BigQueryError> {
        // Create the table, which BigQuery drops by itself if this function crashes.
        let schema = schema::nullable(staging_columns());
        self.api.create_expiring(name, schema, self.expires).await?;

        // Load the file.
        let place = &self.api.place;
        let load = JobConfigurationLoad {
            destination_table: Some(TableReference::new(&place.project, &place.dataset, name)),
            source_format: Some("PARQUET".to_owned()),
            create_disposition: Some("CREATE_NEVER".to_owned()),
            // A second load fails, instead of adding the rows again.
            write_disposition: Some("WRITE_EMPTY".to_owned()),
            ..JobConfigurationLoad::default()
        };
        let configuration = JobConfiguration { load: Some(load), ..JobConfiguration::default() };
        let job = jobs::run(self.api, self.settings, &format!("{name}_load"), |job_id| {
            let job = jobs::named(self.api, &job_id, configuration.clone());
            async move { upload::load(self.api, &job_id, &job, &staging.file, staging.bytes).await }
        })
        .await?;

        // Compare the number of loaded rows with the file's.
        let output_rows = job.statistics.and_then(|statistics| statistics.load?.output_rows);
        let loaded = output_rows.and_then(|rows| rows.parse::<usize>().ok());
        tracing::info!(table = name, rows = staging.rows(), bytes = staging.bytes, "rows loaded");
        match loaded {
            Some(rows) if rows != staging.rows() => {
                let staged = staging.rows();
                let message = format!("BigQuery loaded {rows} rows of {staged} into {name}");
                Err(BigQueryError::new(ErrorKind::Transient, message))
            }
            _ => Ok(()),
        }
    }

    /// Replaces the rows of the test sessions in one transaction; without `staging` it only deletes.
    ///
    /// If BigQuery refuses the transaction, halves the test sessions, so that the others are written.
    fn commit(
        &self,
        name: String,
        staging: Option<String>,
        sessions: Vec<StagedSession>,
    ) -> BoxFuture<'_, Results> {
        Box::pin(async move {
            if !sessions.iter().all(|session| session.fence.holds()) {
                return self.commit_held(name, staging, sessions).await;
            }
            // a deletion without dates can be too dear: keep it apart
            let (undated, dated): (Vec<StagedSession>, Vec<_>) =
                sessions.iter().cloned().partition(|session| sql::has_unknown_dates(session, self.since));
            if !undated.is_empty() && !dated.is_empty() {
                return self.commit_apart(name, staging, sessions, undated, dated).await;
            }
            let is_dated = undated.is_empty();
            let script =
                sql::replace(|table| self.api.full_name(table), self.since, &sessions, staging.as_deref());
            if script.len() > LONGEST_SCRIPT && sessions.len() > 1 {
                return self.commit_halves(name, staging, sessions).await;
            }
            let parameters = vec![sql::tests(&sessions)];
            let turn = self.commits.lock().await;
            let job = jobs::run(self.api, self.settings, &format!("{name}_commit"), |job_id| {
                let job = jobs::query(self.api, &job_id, script.clone(), parameters.clone());
                // Check the leases again before each try.
                let held = sessions.iter().all(|session| session.fence.holds());
                async move { if held { self.api.start(&job_id, &job).await } else { Err(lease_over()) } }
            })
            .await;
            drop(turn);
            match job {
                Err(error) if error.kind == ErrorKind::LeaseOver => {
                    self.commit_held(format!("{name}h"), staging, sessions).await
                }
                Ok(_) => {
                    tracing::info!(sessions = sessions.len(), "rows replaced");
                    sessions.iter().map(|_| Ok(())).collect()
                }
                Err(error) if error.kind == ErrorKind::Overtaken && sessions.len() == 1 => {
                    tracing::warn!(error = %error, "rows not replaced, a later run has written them");
                    let over = |session: StagedSession| {
                        Err(WarehouseError::LeaseOver { session_id: session.session_id })
                    };
                    sessions.into_iter().map(over).collect()
                }
                // half of the test sessions may have fewer days
                Err(error)
                    if sessions.len() > 1
                        && (matches!(error.kind, ErrorKind::Refused | ErrorKind::Overtaken)
                            || (error.kind == ErrorKind::TooDear && is_dated)) =>
                {
                    let count = sessions.len();
                    tracing::warn!(sessions = count, error = %error, "transaction refused, batch halved");
                    self.commit_halves(name, staging, sessions).await
                }
                Err(error) => {
                    let error = warehouse_error(COMMIT, &error);
                    sessions.iter().map(|_| Err(error.clone())).collect()
                }
            }
        })
    }

    /// Commits the test sessions with known dates first, then those without.
    async fn commit_apart(
        &self,
        name: String,
        staging: Option<String>,
        sessions: Vec<StagedSession>,
        undated: Vec<StagedSession>,
        dated: Vec<StagedSession>,
    ) -> Results {
        let is_undated: Vec<bool> =
            sessions.iter().map(|session| sql::has_unknown_dates(session, self.since)).collect();
        let mut dated = self.commit(format!("{name}d"), staging.clone(), dated).await.into_iter();
        let mut undated = self.commit(format!("{name}u"), staging, undated).await.into_iter();
        let result = |(session, is_undated): (StagedSession, bool)| {
            let result = if is_undated { undated.next() } else { dated.next() };
            result.unwrap_or(Err(WarehouseError::LeaseOver { session_id: session.session_id }))
        };
        sessions.into_iter().zip(is_undated).map(result).collect()
    }

    async fn commit_halves(
        &self,
        name: String,
        staging: Option<String>,
        sessions: Vec<StagedSession>,
    ) -> Results {
        let (first, second) = halves(sessions);
        let mut results = self.commit(format!("{name}a"), staging.clone(), first).await;
        results.extend(self.commit(format!("{name}b"), staging, second).await);
        results
    }

    /// Commits only the test sessions whose lease the run still holds.
    async fn commit_held(
        &self,
        name: String,
        staging: Option<String>,
        sessions: Vec<StagedSession>,
    ) -> Results {
        let ids: Vec<String> = sessions.iter().map(|session| session.session_id.clone()).collect();
        let held: Vec<StagedSession> = sessions.into_iter().filter(|session| session.fence.holds()).collect();
        let held_ids: HashSet<String> = held.iter().map(|session| session.session_id.clone()).collect();
        let mut committed =
            if held.is_empty() { Vec::new() } else { self.commit(name, staging, held).await }.into_iter();
        let result = |session_id: String| {
            let result = if held_ids.contains(&session_id) { committed.next() } else { None };
            result.unwrap_or(Err(WarehouseError::LeaseOver { session_id }))
        };
        ids.into_iter().map(result).collect()
    }
}

fn lease_over() -> BigQueryError {
    BigQueryError::new(ErrorKind::LeaseOver, "the lease of a test session is over".to_owned())
}

fn halves(mut sessions: Vec<StagedSession>) -> (Vec<StagedSession>, Vec<StagedSession>) {
    let second = sessions.split_off(sessions.len() / 2);
    (sessions, second)
}
