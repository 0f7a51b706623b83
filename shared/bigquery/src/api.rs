//! BigQuery's REST API with retries, credentials and the client package's models.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gcp_bigquery_client::model::dataset::Dataset;
use gcp_bigquery_client::model::job::Job;
use gcp_bigquery_client::model::table::Table;
use gcp_bigquery_client::model::table_schema::TableSchema;
use quiz_events::Backoff;
use reqwest::{Method, RequestBuilder, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::answer;
use crate::credentials::{Bearer, CredentialsSource};
use crate::error::{BigQueryError, ErrorKind};
use crate::existing::ExistingTable;
use crate::federation::configuration::is_loopback;
use crate::jobs;
use crate::location::BigQueryLocation;
use crate::upload::UploadSizes;

const GOOGLE: &str = "https://bigquery.googleapis.com";
const CONNECT: Duration = Duration::from_secs(5);
/// The limit for one request, or for one chunk of an upload.
const REQUEST: Duration = Duration::from_mins(1);

/// How often and when a failed request is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retries {
    /// The most tries of one request.
    pub attempts: u32,
    pub backoff: Backoff,
}

impl Default for Retries {
    fn default() -> Self {
        let backoff = Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(10) };
        Self { attempts: 6, backoff }
    }
}

impl Retries {
    /// Runs a request until it succeeds, a retry cannot help, or `attempts` tries have failed.
    pub(crate) async fn run<T, F>(&self, action: &str, request: impl Fn() -> F) -> Result<T, BigQueryError>
    where
        F: Future<Output = Result<T, BigQueryError>>,
    {
        let mut attempt = 1;
        loop {
            match Box::pin(request()).await {
                Err(error) if error.kind == ErrorKind::Transient && attempt < self.attempts => {
                    tracing::warn!(action, attempt, error = %error, "bigquery request failed, run again");
                    tokio::time::sleep(self.backoff.wait(attempt)).await;
                    attempt += 1;
                }
                other => return other,
            }
        }
    }
}

/// BigQuery's REST API for one dataset.
///
/// Requests are sent here and not by the client package, whose error for an answer without JSON lacks the status.
pub(crate) struct Api {
    pub place: BigQueryLocation,
    pub retries: Retries,
    pub uploads: UploadSizes,
    /// BigQuery refuses a job that would bill more bytes.
    pub bytes_per_job: u64,
    /// The bytes that ended jobs billed, since the last [`Self::take_billed`].
    billed: AtomicU64,
    /// Jobs that were not watched to their end.
    abandoned: Mutex<Vec<String>>,
    pub http: reqwest::Client,
    pub bearer: Bearer,
    /// The URL that the paths of the methods are added to.
    base: Url,
}

impl Api {
    pub fn connect(
        place: BigQueryLocation,
        retries: Retries,
        uploads: UploadSizes,
        bytes_per_job: u64,
        credentials: Arc<dyn CredentialsSource>,
    ) -> Result<Self, BigQueryError> {
        // reqwest is built without a TLS provider, so that the binary has only this one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder().connect_timeout(CONNECT).timeout(REQUEST).build()?;
        let base = format!("{}/bigquery/v2", endpoint(&place));
        let base = Url::parse(&base).ok().filter(|base| !base.cannot_be_a_base());
        let base = base.ok_or_else(|| {
            let wrong = format!(
                "BIGQUERY_ENDPOINT is {:?}, not a URL: set it to a URL such as http://127.0.0.1:9050",
                endpoint(&place)
            );
            BigQueryError::new(ErrorKind::Refused, wrong)
        })?;
        let (billed, abandoned) = (AtomicU64::new(0), Mutex::default());
        let bearer = Bearer::new(credentials, http.clone(), is_loopback(&base));
        Ok(Self { place, retries, uploads, bytes_per_job, billed, abandoned, http, bearer, base })
    }

    /// Counts the bytes that an ended job billed.
    pub fn count_billed(&self, job: &Job) {
        let statistics = job.statistics.as_ref().and_then(|statistics| statistics.query.as_ref());
        let billed = statistics.and_then(|query| query.total_bytes_billed.as_ref()?.parse().ok());
        self.billed.fetch_add(billed.unwrap_or(0), Ordering::Relaxed);
    }

    /// Remembers a job that was not watched to its end. It may go on, and be billed.
    pub fn abandon(&self, job_id: &str) {
        self.abandoned.lock().unwrap_or_else(PoisonError::into_inner).push(job_id.to_owned());
    }

    /// Counts the bytes of abandoned jobs that have ended by now. Without an answer, a later call counts them.
    pub async fn count_abandoned(&self) {
        let abandoned = std::mem::take(&mut *self.abandoned.lock().unwrap_or_else(PoisonError::into_inner));
        let mut abandoned = abandoned.into_iter();
        for job_id in abandoned.by_ref() {
            match self.job(&job_id).await {
                Ok(job) if jobs::is_done(&job) => self.count_billed(&job),
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Ok(_) => self.abandon(&job_id),
                Err(_) => {
                    // its retries took long enough: the batch needs its time
                    self.abandon(&job_id);
                    break;
                }
            }
        }
        abandoned.for_each(|job_id| self.abandon(&job_id));
    }

    /// The bytes that ended jobs billed since the last call.
    pub fn take_billed(&self) -> u64 {
        self.billed.swap(0, Ordering::Relaxed)
    }

    /// Sends a request with the retries of [`Retries`], and once more if Google refuses the credentials and the secret has
    /// changed.
    pub async fn run<T, F>(&self, action: &str, request: impl Fn() -> F) -> Result<T, BigQueryError>
    where
        F: Future<Output = Result<T, BigQueryError>>,
    {
        self.bearer.run(|| self.retries.run(action, &request)).await
    }

    pub fn upload_url(&self, kind: &str) -> String {
        let (endpoint, project) = (endpoint(&self.place), &self.place.project);
        format!("{endpoint}/upload/bigquery/v2/projects/{project}/jobs?uploadType={kind}")
    }

    /// The name in a query: `project.dataset.table`.
    pub fn full_name(&self, table: &str) -> String {
        format!("{}.{}.{table}", self.place.project, self.place.dataset)
    }

    /// A request to the project's resource at `path`.
    pub fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(["projects", &self.place.project]).extend(path);
        }
        self.http.request(method, url)
    }

    /// Sends one request with an access token, and reads the answer's JSON.
    pub async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, BigQueryError> {
        answer::json(request.bearer_auth(self.bearer.current().await?).send().await?).await
    }

    pub async fn dataset(&self) -> Result<Dataset, BigQueryError> {
        let path = ["datasets", &self.place.dataset];
        self.run("read the dataset", || self.send(self.request(Method::GET, &path))).await
    }

    pub async fn table(&self, table: &str) -> Result<Option<ExistingTable>, BigQueryError> {
        let path = ["datasets", &self.place.dataset, "tables", table];
        match self.run("read a table's schema", || self.send(self.request(Method::GET, &path))).await {
            Ok(table) => Ok(Some(table)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a table that BigQuery drops at `expires`.
    ///
    /// The table may exist already, from a try whose answer was lost.
    pub async fn create_expiring(
        &self,
        table: &str,
        schema: TableSchema,
        expires: jiff::Timestamp,
    ) -> Result<(), BigQueryError> {
        let mut new = Table::new(&self.place.project, &self.place.dataset, table, schema);
        new.expiration_time = Some(expires.as_millisecond().to_string());
        let path = ["datasets", &self.place.dataset, "tables"];
        let create = || self.send::<Table>(self.request(Method::POST, &path).json(&new));
        match self.run("create a staging table", create).await {
            Err(error) if error.kind != ErrorKind::Exists => Err(error),
            _ => Ok(()),
        }
    }

    /// Drops a table; after a failure BigQuery drops it when it expires.
    pub async fn drop_table(&self, table: &str) {
        let path = ["datasets", &self.place.dataset, "tables", table];
        let drop = async {
            let request = self.request(Method::DELETE, &path).bearer_auth(self.bearer.current().await?);
            answer::success(request.send().await?).await
        };
        if let Err(error) = drop.await {
            tracing::warn!(table, error = %error, "staging table not dropped, bigquery drops it at its expiry");
        }
    }

    /// Starts a job under the name `job_id`; returns the existing job if an earlier try has started it.
    pub async fn start(&self, job_id: &str, job: &Job) -> Result<Job, BigQueryError> {
        let insert = || self.send(self.request(Method::POST, &["jobs"]).json(job));
        match self.run("start a job", insert).await {
            Err(error) if error.kind == ErrorKind::Exists => self.job(job_id).await,
            other => other,
        }
    }

    /// Reads a page of the rows of an ended query; `from` is the token of the page before.
    pub async fn rows(&self, job_id: &str, from: Option<&str>) -> Result<QueryPage, BigQueryError> {
        let location = [("location", self.place.location.as_str())];
        let get = || {
            let request = self.request(Method::GET, &["queries", job_id]).query(&location);
            let page = from.map(|token| ("pageToken", token));
            self.send(request.query(page.as_slice()))
        };
        self.run("read the rows of a query", get).await
    }

    pub async fn job(&self, job_id: &str) -> Result<Job, BigQueryError> {
        let location = [("location", &self.place.location)];
        let get = || self.send(self.request(Method::GET, &["jobs", job_id]).query(&location));
        self.run("read a job", get).await
    }
}

/// Rows of a query.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueryPage {
    #[serde(default)]
    rows: Vec<QueryRow>,
    pub page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
struct QueryRow {
    f: Vec<QueryCell>,
}

#[derive(Debug, Deserialize)]
struct QueryCell {
    v: Option<String>,
}

impl QueryPage {
    /// The cells of each row; BigQuery sends each value as a text.
    pub fn into_rows(self) -> impl Iterator<Item = Vec<Option<String>>> {
        self.rows.into_iter().map(|row| row.f.into_iter().map(|cell| cell.v).collect())
    }
}

fn endpoint(place: &BigQueryLocation) -> &str {
    place.endpoint.as_deref().unwrap_or(GOOGLE).trim_end_matches('/')
}
