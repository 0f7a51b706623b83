use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;

use crate::limits::WriteLimits;

/// One client for reads, with the SDK's retries, and one for writes, without. Both have the credentials, region and
/// endpoint of the given client.
pub(crate) struct Clients {
    pub reader: Client,
    pub writer: Client,
}

impl Clients {
    pub fn new(client: &Client, limits: &WriteLimits) -> Self {
        let mut timeouts = TimeoutConfig::builder().operation_attempt_timeout(limits.request).build();
        if let Some(given) = client.config().timeout_config() {
            timeouts.take_defaults_from(given);
        }
        let for_reads = client.config().to_builder().timeout_config(timeouts);
        let for_writes = for_reads.clone().retry_config(RetryConfig::disabled());
        Self { reader: Client::from_conf(for_reads.build()), writer: Client::from_conf(for_writes.build()) }
    }
}
