use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use quiz_discord::{DiscordClient, DiscordError, Post, Target};
use quiz_messaging::Backoff;
use quiz_sns_sqs::SqsQueues;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::batch::Notifier;
use crate::config::{Config, DiscordSource};
use crate::dynamo_memory::DynamoMemory;
use crate::handler::Handler;

/// A Discord channel.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Posts a message, or edits the one of that id; gives its id.
    async fn post(&self, post: &Post, edits: Option<&str>, deadline: Instant)
    -> Result<String, DiscordError>;
}

#[async_trait]
impl Channel for DiscordClient {
    async fn post(
        &self,
        post: &Post,
        edits: Option<&str>,
        deadline: Instant,
    ) -> Result<String, DiscordError> {
        Self::post(self, post, edits, deadline).await
    }
}

/// The handler on Discord, DynamoDB and SQS.
pub async fn connect(config: Config) -> Handler {
    let aws = quiz_runtime::aws::config().await;
    let memory = DynamoMemory::new(aws_sdk_dynamodb::Client::new(&aws), config.memory_table);
    let queues = SqsQueues::new(aws_sdk_sqs::Client::new(&aws));
    let channel =
        LazyChannel { source: config.discord, endpoint: config.endpoint, aws, connected: OnceCell::new() };
    let channel = Arc::new(channel);
    quiz_runtime::begin("the way to Discord", Arc::clone(&channel).ready());
    let notifier = Notifier { channel, memory: Arc::new(memory), backoff: Backoff::default() };
    Handler::new(notifier, Arc::new(queues))
}

/// The channel, its secret read when it is first needed, or before in the background: a secret that cannot be read fails
/// messages, with its cause, and not the process.
struct LazyChannel {
    source: DiscordSource,
    endpoint: Option<String>,
    aws: SdkConfig,
    connected: OnceCell<DiscordClient>,
}

impl LazyChannel {
    async fn ready(self: Arc<Self>) -> Result<(), DiscordError> {
        self.client().await.map(drop)
    }

    async fn client(&self) -> Result<&DiscordClient, DiscordError> {
        let connect = || async {
            let unreadable = |error: quiz_runtime::SecretError| DiscordError::Unreachable(error.to_string());
            let target = match &self.source {
                DiscordSource::Webhook(url) => {
                    let url = url.resolve(&self.aws).await.map_err(unreadable)?;
                    Target::Webhook(url.expose().to_owned())
                }
                DiscordSource::Bot { token, channel_id } => {
                    let token = token.resolve(&self.aws).await.map_err(unreadable)?;
                    Target::Bot { token: token.expose().to_owned(), channel_id: channel_id.clone() }
                }
            };
            DiscordClient::new(&target, self.endpoint.as_deref())
        };
        self.connected.get_or_try_init(connect).await
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
        self.client().await?.post(post, edits, deadline).await
    }
}
