use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use quiz_discord::{DiscordClient, DiscordError, Post};
use quiz_events::{Backoff, Connector, Renewable};
use quiz_lambda::Secret;
use quiz_lambda::config::{DiscordConfig, DiscordSource};
use quiz_lambda::sqs::SqsHandler;
use quiz_sns_sqs::SqsQueue;
use tokio::time::Instant;

use crate::channel::Channel;
use crate::dynamo_memory::DynamoMemory;
use crate::notifier::Notifier;

/// Connects the notifier to Discord, DynamoDB and SQS.
pub async fn connect(config: DiscordConfig) -> SqsHandler {
    let aws = quiz_lambda::aws::config().await;
    let memory = DynamoMemory::new(aws_sdk_dynamodb::Client::new(&aws), config.memory_table);
    let sqs = aws_sdk_sqs::Client::new(&aws);
    let channel = Arc::new(LazyChannel::new(config.discord, config.endpoint, aws));
    quiz_lambda::begin("Discord connection", Arc::clone(&channel).ready());
    let notifier = Notifier { channel, memory: Arc::new(memory), backoff: Backoff::default() };
    SqsHandler::new(Arc::new(notifier), move |arn| Arc::new(SqsQueue::from_arn(sqs.clone(), arn)))
}

/// A channel that reads its secret in the background or at its first use.
///
/// A secret that cannot be read fails the messages with its cause, and not the process. If Discord refuses the webhook or
/// the token, the channel reads the secret again ([`Renewable`]).
pub struct LazyChannel(Renewable<DiscordSecret>);

struct DiscordSecret {
    source: DiscordSource,
    endpoint: Option<String>,
    aws: SdkConfig,
}

#[async_trait]
impl Connector for DiscordSecret {
    type Secret = Secret;
    type Client = DiscordClient;
    type Error = DiscordError;

    fn dependency(&self) -> &'static str {
        "Discord"
    }

    fn can_change(&self) -> bool {
        self.source.secret().can_change()
    }

    async fn read(&self) -> Result<Secret, DiscordError> {
        let secret = self.source.secret().resolve(&self.aws).await;
        secret.map_err(|error| DiscordError::Unreachable(error.to_string()))
    }

    async fn connect(&self, secret: &Secret) -> Result<DiscordClient, DiscordError> {
        DiscordClient::new(&self.source.target(secret)?, self.endpoint.as_deref())
    }

    fn is_refused(&self, error: &DiscordError) -> bool {
        matches!(error, DiscordError::Dead { .. })
    }
}

impl LazyChannel {
    #[must_use]
    pub fn new(source: DiscordSource, endpoint: Option<String>, aws: SdkConfig) -> Self {
        Self(Renewable::new(DiscordSecret { source, endpoint, aws }))
    }

    async fn ready(self: Arc<Self>) -> Result<(), DiscordError> {
        self.0.client().await.map(drop)
    }
}

#[async_trait]
impl Channel for LazyChannel {
    async fn post(
        &self,
        post: &Post,
        edits: Option<&str>,
        deadline: Instant,
    ) -> Result<String, DiscordError> {
        self.0.run(|client| async move { client.post(post, edits, deadline).await }).await
    }
}
