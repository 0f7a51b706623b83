use async_trait::async_trait;
use quiz_discord::{DiscordClient, DiscordError, Post};
use tokio::time::Instant;

/// A Discord channel: [`DiscordClient`], or a stub in tests.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Posts a message, or edits the message with the id `edits`; returns the message's id.
    ///
    /// Returns before `deadline`, with [`DiscordError::Busy`] if a rate limit lasts longer.
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
