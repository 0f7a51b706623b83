//! AWS's own configuration: region, credentials, endpoint.

use std::error::Error;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient, http_client_fn};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// A call that does not answer must not hold a function until its deadline.
const ATTEMPT: Duration = Duration::from_secs(5);
/// With its retries.
const OPERATION: Duration = Duration::from_secs(15);

/// As the environment and AWS's files say; `AWS_ENDPOINT_URL` leads to a local stack. A call may take
/// 5 s, and 15 s with its retries.
pub async fn config() -> SdkConfig {
    let timeouts =
        TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(OPERATION).build();
    let config = aws_config::defaults(BehaviorVersion::latest());
    config.timeout_config(timeouts).http_client(http_client()).load().await
}

/// One for all clients, as AWS's own default, which each client would have of its own: so they share connections, and
/// the certificate authorities are read once, and only when something is first asked.
fn http_client() -> SharedHttpClient {
    let client = Builder::new().build_with_connector_fn(|settings, components| {
        let provider = tls::Provider::Rustls(CryptoMode::AwsLc);
        let mut connector = ConnectorBuilder::default().tls_provider(provider);
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    });
    // unlike the client itself, this makes no connector for each client that is made
    http_client_fn(move |settings, components| client.http_connector(settings, components))
}

/// Why a call failed, as a person reads it.
#[must_use]
pub fn answer_of<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    quiz_messaging::answer_of(error.code(), error.message(), error)
}
