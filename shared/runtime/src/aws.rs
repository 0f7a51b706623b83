//! AWS's own configuration: region, credentials, endpoint.

use aws_config::{BehaviorVersion, SdkConfig};

/// As the environment and AWS's files say; `AWS_ENDPOINT_URL` leads to a local stack.
pub async fn config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest()).load().await
}
