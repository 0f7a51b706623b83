//! Reads the webhook, the bot and the channel from Discord, and posts nothing.

use reqwest::StatusCode;
use reqwest::header::USER_AGENT;
use serde_json::Value;

use super::{AGENT, DiscordClient, ParsedTarget};
use crate::error::DiscordError;
use crate::refusal::refusal;

/// Categories and directories: they have channels, no messages.
const HOLD_CHANNELS: [u64; 2] = [4, 14];
/// Forums and media channels: their messages are in threads.
const HOLD_THREADS: [u64; 2] = [15, 16];

/// The webhook or the bot that posts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PosterFacts {
    pub name: String,
    /// The channel of a webhook; `None` for a bot.
    pub channel_id: Option<String>,
}

/// The channel that a bot posts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelFacts {
    pub name: String,
    pub kind: ChannelKind,
}

/// What a bot can post in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    Messages,
    /// A forum: only its threads take messages.
    Threads,
    /// A category: only its channels take messages.
    Channels,
}

impl DiscordClient {
    /// Reads the webhook or the bot.
    ///
    /// # Errors
    /// [`DiscordError`] if Discord does not know it, or does not answer.
    pub async fn poster(&self) -> Result<PosterFacts, DiscordError> {
        let path = match &self.target {
            ParsedTarget::Webhook { path, .. } => path,
            ParsedTarget::Bot { .. } => "/users/@me",
        };
        let poster = self.get(path).await?;
        let text = |name: &str| poster.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(PosterFacts {
            name: text("name").or_else(|| text("username")).unwrap_or_default(),
            channel_id: text("channel_id"),
        })
    }

    /// Reads the channel that the bot posts to; `None` for a webhook, which may not read its channel.
    ///
    /// # Errors
    /// [`DiscordError`] if the bot does not see the channel, or Discord does not answer.
    pub async fn channel(&self) -> Result<Option<ChannelFacts>, DiscordError> {
        let ParsedTarget::Bot { channel, .. } = &self.target else { return Ok(None) };
        let facts = self.get(&format!("/channels/{channel}")).await?;
        let kind = facts.get("type").and_then(Value::as_u64).unwrap_or_default();
        Ok(Some(ChannelFacts {
            name: facts.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            kind: match kind {
                kind if HOLD_THREADS.contains(&kind) => ChannelKind::Threads,
                kind if HOLD_CHANNELS.contains(&kind) => ChannelKind::Channels,
                _ => ChannelKind::Messages,
            },
        }))
    }

    async fn get(&self, path: &str) -> Result<Value, DiscordError> {
        let mut request = self.http.get(self.url(path)?).header(USER_AGENT, AGENT);
        if let ParsedTarget::Bot { authorization, .. } = &self.target {
            request = request.header("Authorization", authorization);
        }
        let answer = request.send().await.map_err(|error| DiscordError::unreachable(&error))?;
        let status = answer.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let retry_after = super::limit(answer).await.wait.unwrap_or(super::rate::UNTIMED_REST);
            return Err(DiscordError::Busy { retry_after });
        }
        let body = answer.bytes().await.map_err(|error| DiscordError::unreachable(&error))?;
        match serde_json::from_slice::<Value>(&body) {
            Ok(value) if status.is_success() => Ok(value),
            Err(_) if status.is_success() => Err(DiscordError::NotDiscord(status.as_u16())),
            body => Err(refusal(status.as_u16(), body.ok().as_ref())),
        }
    }
}
