//! What Discord tells of the webhook, the bot and the channel. Nothing is posted.

use reqwest::header::USER_AGENT;
use reqwest::{StatusCode, Url};
use serde_json::Value;
use serenity::http::Route;

use super::{AGENT, DISCORD, DiscordClient, Parsed};
use crate::error::DiscordError;
use crate::refusal::refusal;

/// Categories and directories hold other channels, no messages.
const HOLD_CHANNELS: [u64; 2] = [4, 14];
/// Forums and media channels: each message is in a thread.
const HOLD_THREADS: [u64; 2] = [15, 16];

/// Who posts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PosterFacts {
    pub name: String,
    /// Where a webhook posts to.
    pub channel_id: Option<String>,
}

/// Where a bot posts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelFacts {
    pub name: String,
    pub kind: ChannelKind,
}

/// What a channel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    Messages,
    /// A forum: only its threads take messages.
    Threads,
    /// A category: only its channels do.
    Channels,
}

impl DiscordClient {
    /// Asks for the webhook, or for the bot.
    ///
    /// # Errors
    /// [`DiscordError`] where Discord knows it not, or does not answer.
    pub async fn poster(&self) -> Result<PosterFacts, DiscordError> {
        let route = match &self.target {
            Parsed::Webhook { id, token, .. } => Route::WebhookWithToken { webhook_id: *id, token },
            Parsed::Bot { .. } => Route::UserMe,
        };
        let told = self.ask(route).await?;
        let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(PosterFacts {
            name: text("name").or_else(|| text("username")).unwrap_or_default(),
            channel_id: text("channel_id"),
        })
    }

    /// Asks for the channel that the bot posts to; `None` of a webhook, which may not ask.
    ///
    /// # Errors
    /// [`DiscordError`] where the bot does not see the channel, or Discord does not answer.
    pub async fn channel(&self) -> Result<Option<ChannelFacts>, DiscordError> {
        let Parsed::Bot { channel, .. } = &self.target else { return Ok(None) };
        let told = self.ask(Route::Channel { channel_id: *channel }).await?;
        let kind = told.get("type").and_then(Value::as_u64).unwrap_or_default();
        Ok(Some(ChannelFacts {
            name: told.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            kind: match kind {
                kind if HOLD_THREADS.contains(&kind) => ChannelKind::Threads,
                kind if HOLD_CHANNELS.contains(&kind) => ChannelKind::Channels,
                _ => ChannelKind::Messages,
            },
        }))
    }

    async fn ask(&self, route: Route<'_>) -> Result<Value, DiscordError> {
        let url = route.path().replace(DISCORD, &self.endpoint);
        let url = Url::parse(&url).map_err(|_| DiscordError::bad_endpoint())?;
        let mut request = self.http.get(url).header(USER_AGENT, AGENT);
        if let Parsed::Bot { authorization, .. } = &self.target {
            request = request.header("Authorization", authorization);
        }
        let answer = request.send().await.map_err(|error| DiscordError::unreachable(&error))?;
        let status = answer.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let retry_after = super::limit(answer).await.wait.unwrap_or(super::rate::UNSAID_REST);
            return Err(DiscordError::Busy { retry_after });
        }
        let body = answer.bytes().await.map_err(|error| DiscordError::unreachable(&error))?;
        match serde_json::from_slice::<Value>(&body) {
            Ok(told) if status.is_success() => Ok(told),
            Err(_) if status.is_success() => Err(DiscordError::NotDiscord(status.as_u16())),
            answered => Err(refusal(status.as_u16(), answered.ok().as_ref())),
        }
    }
}
