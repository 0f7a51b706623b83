//! The AWS SDK's configuration: region, credentials, endpoint, timeouts and HTTP client.

mod connection;
mod http;
mod sign_in;

use std::error::Error;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};

pub use http::http_client;
pub use sign_in::{NotSignedIn, check_sign_in, signed_in};

/// The time limit of one attempt, so that a call without an answer does not block a function until its deadline.
const ATTEMPT: Duration = Duration::from_secs(5);
/// The time limit of a call with its retries.
const OPERATION: Duration = Duration::from_secs(15);

/// The configuration from the environment and AWS's files; `AWS_ENDPOINT_URL` selects a local stack. A call may take
/// 5 s, and 15 s with its retries.
pub async fn config() -> SdkConfig {
    let timeouts =
        TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(OPERATION).build();
    let config = aws_config::defaults(BehaviorVersion::latest());
    config.timeout_config(timeouts).http_client(http_client()).load().await
}

/// The cause of a failed call, for people.
#[must_use]
pub fn error_cause<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    quiz_events::error_cause(error.code(), error.message(), error)
}
