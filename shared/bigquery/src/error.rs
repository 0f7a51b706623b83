use gcp_bigquery_client::error::BQError;
use reqwest::StatusCode;
use thiserror::Error;

use crate::credentials::no_token;

/// Why BigQuery did not do what it was asked to.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct BigQueryError {
    pub kind: ErrorKind,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// It did not answer, was busy, or answered with something else than the API does: a retry may help.
    Transient,
    /// Others changed the same tables: the same job under a new name may succeed.
    Collision,
    /// The job or table is there already.
    Exists,
    NotFound,
    /// Google refuses the credentials, or they lack a permission: a retry helps with other credentials only.
    Unauthorized,
    /// A table of another shape, a job that is refused, or the request itself: a retry cannot help until that is fixed.
    Refused,
    /// The rows: a retry cannot help until they change.
    Rows,
    /// A later run has written rows of a test: nothing was replaced.
    Overtaken,
    /// A run's lease is over: nothing was asked of BigQuery.
    LeaseOver,
}

impl BigQueryError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// An error that the API names by code and reason.
    pub(crate) fn answered(code: i64, reason: &str, message: &str) -> Self {
        let kind = match (code, reason) {
            (_, "rateLimitExceeded" | "jobRateLimitExceeded" | "quotaExceeded" | "backendError")
            | (408 | 429 | 500.., _) => ErrorKind::Transient,
            (401, _) | (403, "accessDenied" | "") => ErrorKind::Unauthorized,
            (404, _) => ErrorKind::NotFound,
            (409, _) => ErrorKind::Exists,
            _ => ErrorKind::Refused,
        };
        let what = match code {
            401 => "the credentials are not accepted",
            403 => "a permission or the quota is missing",
            404 => "it is not there",
            _ => reason,
        };
        let what = if what.is_empty() { String::new() } else { format!("{what}: ") };
        Self::new(kind, format!("BigQuery answered {code}, {what}{message}"))
    }

    /// An answer that is none of the API's, such as a proxy's page.
    pub(crate) fn not_json(status: StatusCode) -> Self {
        Self::new(
            ErrorKind::Transient,
            format!(
                "status {status} with a body that is not the JSON of BigQuery's API: check BIGQUERY_ENDPOINT, and the \
                 proxies between here and BigQuery"
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
        Self::new(ErrorKind::Transient, format!("BigQuery was not reached: {message}"))
    }
}
