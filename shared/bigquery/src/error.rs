//! Errors of BigQuery: what a retry may fix, what needs other rows, and what needs a person.

use gcp_bigquery_client::error::BQError;
use reqwest::StatusCode;
use thiserror::Error;

use crate::credentials::no_token;

/// Why a request to BigQuery or a job failed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct BigQueryError {
    pub kind: ErrorKind,
    pub message: String,
}

/// What can fix the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// BigQuery did not answer, was busy, or a proxy answered in its place: a retry may help.
    Transient,
    /// Another transaction changed the same tables: the same job under a new name may succeed.
    Collision,
    /// The job or the table exists already.
    Exists,
    /// The dataset, the table or the job does not exist.
    NotFound,
    /// Google refuses the credentials, or they lack a permission: only other credentials help.
    Unauthorized,
    /// A table has another schema, or BigQuery refuses the job or the request: a person must fix it.
    Refused,
    /// The job would bill more bytes than allowed: a person must allow more.
    TooDear,
    /// BigQuery refuses the rows: a retry cannot help until they change.
    Rows,
    /// A later run has written rows of a test session: nothing was replaced.
    Overtaken,
    /// The lease of a run is over: nothing was sent to BigQuery.
    LeaseOver,
}

impl BigQueryError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// An error of the API, classified by its code and reason.
    pub(crate) fn answered(code: i64, reason: &str, message: &str) -> Self {
        let kind = match (code, reason) {
            (_, "rateLimitExceeded" | "jobRateLimitExceeded" | "quotaExceeded" | "backendError")
            | (408 | 429 | 500.., _) => ErrorKind::Transient,
            (401, _) | (403, "accessDenied" | "") => ErrorKind::Unauthorized,
            (404, _) => ErrorKind::NotFound,
            (409, _) => ErrorKind::Exists,
            _ => ErrorKind::Refused,
        };
        let cause = match code {
            401 => "the credentials are not accepted",
            403 => "a permission or the quota is missing",
            404 => "not found",
            _ => reason,
        };
        let cause = if cause.is_empty() { String::new() } else { format!("{cause}: ") };
        Self::new(kind, format!("BigQuery answered {code}, {cause}{message}"))
    }

    /// An answer that is not from the API, such as a proxy's page.
    pub(crate) fn not_json(status: StatusCode) -> Self {
        Self::new(
            ErrorKind::Transient,
            format!(
                "status {status} with a body that is not the JSON of BigQuery's API: check BIGQUERY_ENDPOINT and the \
                 proxies on the way to BigQuery"
            ),
        )
    }
}

impl From<BQError> for BigQueryError {
    fn from(error: BQError) -> Self {
        match error {
            BQError::RequestError(error) => error.into(),
            BQError::YupAuthError(error) => no_token(&error),
            other => Self::new(ErrorKind::Refused, other.to_string()),
        }
    }
}

impl From<reqwest::Error> for BigQueryError {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let message = quiz_events::with_causes(&error);
        Self::new(ErrorKind::Transient, format!("cannot reach BigQuery: {message}"))
    }
}
