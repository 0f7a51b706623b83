//! Makes jobs, waits for their end, and classifies their errors.

use std::time::Duration;

use gcp_bigquery_client::model::error_proto::ErrorProto;
use gcp_bigquery_client::model::job::Job;
use gcp_bigquery_client::model::job_configuration::JobConfiguration;
use gcp_bigquery_client::model::job_configuration_query::JobConfigurationQuery;
use gcp_bigquery_client::model::job_reference::JobReference;
use gcp_bigquery_client::model::query_parameter::QueryParameter;
use quiz_events::Backoff;

use crate::api::Api;
use crate::error::{BigQueryError, ErrorKind};
use crate::sql::{NO_GENERATION, OVERTAKEN};
use crate::warehouse::Settings;

/// The interval between two reads of a running job.
const POLL: Backoff = Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(2) };
/// How many errors of a job the message shows.
const SHOWN: usize = 5;
/// Texts of a transaction that lost to another one; the last is the emulator's.
///
/// BigQuery gives it the reason `invalidQuery`, like a misspelt query: only the text differs.
const COLLISIONS: [&str; 4] =
    ["concurrent update", "could not serialize access", "transaction is aborted", "failed to commit"];

/// A job `job_id` that runs SQL.
pub(crate) fn query(api: &Api, job_id: &str, sql: String, parameters: Vec<QueryParameter>) -> Job {
    let query = JobConfigurationQuery {
        query: sql,
        use_legacy_sql: Some(false),
        maximum_bytes_billed: Some(api.bytes_per_job.to_string()),
        parameter_mode: (!parameters.is_empty()).then(|| "NAMED".to_owned()),
        query_parameters: (!parameters.is_empty()).then_some(parameters),
        ..JobConfigurationQuery::default()
    };
    named(api, job_id, JobConfiguration { query: Some(query), ..JobConfiguration::default() })
}

/// A job `job_id` in the dataset's location.
pub(crate) fn named(api: &Api, job_id: &str, configuration: JobConfiguration) -> Job {
    let reference = JobReference {
        project_id: Some(api.place.project.clone()),
        job_id: Some(job_id.to_owned()),
        location: Some(api.place.location.clone()),
    };
    Job { job_reference: Some(reference), configuration: Some(configuration), ..Job::default() }
}

pub(crate) fn is_done(job: &Job) -> bool {
    job.status.as_ref().and_then(|status| status.state.as_deref()) == Some("DONE")
}

/// A job that is watched to its end, or else remembered: its bytes are billed in any case.
struct Watched<'a> {
    api: &'a Api,
    job_id: &'a str,
    has_ended: bool,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.api.abandon(self.job_id);
        }
    }
}

/// Waits for the end of a job; a failed job is an error.
pub(crate) async fn wait(api: &Api, job_id: &str, started: Job) -> Result<Job, BigQueryError> {
    let mut job = started;
    let mut polls = 0;
    let mut watched = Watched { api, job_id, has_ended: false };
    while !is_done(&job) {
        polls += 1;
        tokio::time::sleep(POLL.wait(polls)).await;
        job = api.job(job_id).await?;
    }
    watched.has_ended = true;
    api.count_billed(&job);
    let status = job.status.clone().unwrap_or_default();
    match status.error_result {
        Some(first) => Err(failure(job_id, &first, status.errors.as_deref().unwrap_or_default())),
        None => Ok(job),
    }
}

/// Runs a job to its end, and again under the next name after a failure that a retry may fix.
///
/// Each name is used for one job, so a retried request finds its own job.
pub(crate) async fn run<F>(
    api: &Api,
    settings: &Settings,
    name: &str,
    start: impl Fn(String) -> F,
) -> Result<Job, BigQueryError>
where
    F: Future<Output = Result<Job, BigQueryError>>,
{
    let mut attempt = 1;
    loop {
        let job_id = format!("{name}_{attempt}");
        let ended = match Box::pin(start(job_id.clone())).await {
            Ok(started) => Box::pin(wait(api, &job_id, started)).await,
            // The request was retried already.
            Err(error) => return Err(error),
        };
        match ended {
            Err(error)
                if matches!(error.kind, ErrorKind::Transient | ErrorKind::Collision)
                    && attempt < settings.job_attempts =>
            {
                tracing::warn!(job_id, attempt, error = %error, "bigquery job failed, run again");
                tokio::time::sleep(settings.job_backoff.wait(attempt)).await;
                attempt += 1;
            }
            other => return other,
        }
    }
}

/// Checks a job that runs SQL, and returns it with the bytes that it would read. Nothing runs.
pub(crate) async fn dry_run(
    api: &Api,
    job_id: &str,
    sql: String,
    parameters: Vec<QueryParameter>,
) -> Result<Job, BigQueryError> {
    let mut job = query(api, job_id, sql, parameters);
    if let Some(configuration) = &mut job.configuration {
        configuration.dry_run = Some(true);
    }
    api.start(job_id, &job).await
}

/// The error of a failed job. Its first error only counts the others, which name the row and the field.
fn failure(job_id: &str, first: &ErrorProto, errors: &[ErrorProto]) -> BigQueryError {
    let text = |error: &ErrorProto| error.message.clone().unwrap_or_default();
    let mut shown = vec![text(first)];
    for error in errors {
        let place = error.location.as_ref().filter(|location| *location != "query");
        let said = place.map_or_else(|| text(error), |place| format!("{place}: {}", text(error)));
        if !said.is_empty() && !shown.iter().any(|known| known.contains(&text(error))) {
            shown.push(said);
        }
    }
    let more = shown.len().saturating_sub(SHOWN);
    shown.truncate(SHOWN);
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    let message = shown.join("; ");
    let lower = message.to_lowercase();
    let reason = first.reason.as_deref().unwrap_or_default();
    let kind = match reason {
        _ if lower.contains(OVERTAKEN) => ErrorKind::Overtaken,
        _ if lower.contains(NO_GENERATION) => ErrorKind::Transient,
        _ if COLLISIONS.iter().any(|text| lower.contains(text)) => ErrorKind::Collision,
        "backendError"
        | "internalError"
        | "jobBackendError"
        | "jobInternalError"
        | "rateLimitExceeded"
        | "jobRateLimitExceeded"
        | "quotaExceeded"
        | "tableUnavailable"
        | "timeout"
        | "stopped" => ErrorKind::Transient,
        "bytesBilledLimitExceeded" => ErrorKind::TooDear,
        "invalid" => ErrorKind::Rows,
        "notFound" => ErrorKind::NotFound,
        "duplicate" => ErrorKind::Exists,
        _ => ErrorKind::Refused,
    };
    let fix = if kind == ErrorKind::TooDear { ": raise BIGQUERY_BYTES_PER_JOB" } else { "" };
    BigQueryError::new(kind, format!("job {job_id} failed ({reason}): {message}{fix}"))
}

#[cfg(test)]
mod tests {
    use super::{ErrorProto, failure};
    use crate::error::ErrorKind;

    fn error(reason: &str, location: &str, message: &str) -> ErrorProto {
        ErrorProto {
            reason: Some(reason.into()),
            location: Some(location.into()),
            message: Some(message.into()),
            debug_info: None,
        }
    }

    #[test]
    fn load_error_names_row_and_field() {
        let first = error("invalid", "", "Error while reading data, too many errors. Rows: 3; errors: 1.");
        let row_error =
            error("invalid", "row 3", "Could not convert value 'x' to integer. Field: rank; Value: x");
        let read = failure("load_1", &first, &[first.clone(), row_error]);
        assert_eq!(read.kind, ErrorKind::Rows);
        assert_eq!(
            read.message,
            "job load_1 failed (invalid): Error while reading data, too many errors. Rows: 3; errors: 1.; \
             row 3: Could not convert value 'x' to integer. Field: rank; Value: x"
        );
    }

    #[test]
    fn lost_race_is_not_a_misspelt_query() {
        let raced = error(
            "invalidQuery",
            "query",
            "Transaction is aborted due to concurrent update against table p:d.test_responses.",
        );
        assert_eq!(failure("j", &raced, &[]).kind, ErrorKind::Collision);
        let misspelt = error("invalidQuery", "query", "Unrecognized name: rnak at [3:1]");
        assert_eq!(failure("j", &misspelt, &[]).kind, ErrorKind::Refused);
    }
}
