use async_trait::async_trait;
use quiz_discord::{DiscordClient, DiscordError, Post};
use tokio::time::Instant;

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
