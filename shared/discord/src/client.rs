//! Posts and edits messages through a webhook or a bot.
//!
//! The problem: serenity's own client either drops the wait of a 429 or waits without end, and cannot reach a stub. So
//! requests are sent here, with serenity's models. The client remembers when the next request is allowed and
//! waits until then, if that is before the caller's deadline; otherwise the caller's queue waits.
//! Decision: `docs/decisions/0007-notices.md`.

mod inspect;
mod rate;

use std::time::Duration;

use rate::Limit;
use reqwest::header::USER_AGENT;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serenity::model::channel::Message;
use serenity::model::id::{ChannelId, MessageId};
use tokio::time::{Instant, sleep_until};

use crate::error::DiscordError;
use crate::post::Post;
use crate::refusal::refusal;

pub use inspect::{ChannelFacts, ChannelKind, PosterFacts};

const DISCORD: &str = "https://discord.com";
const VERSION: &str = "/api/v10";
const CONNECT: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(15);
/// The form that Discord requires.
const AGENT: &str = concat!("DiscordBot (https://github.com/quiz-etl, ", env!("CARGO_PKG_VERSION"), ")");

/// The channel to post to, and the identity that posts.
#[derive(Clone)]
pub enum Target {
    /// The URL of a webhook, which holds its token.
    Webhook(String),
    Bot {
        token: String,
        channel_id: String,
    },
}

/// Posts to one Discord channel, and waits as long as Discord asks.
pub struct DiscordClient {
    http: reqwest::Client,
    /// Discord's base URL, or a stub's.
    endpoint: String,
    target: ParsedTarget,
    /// When Discord allows the next request, if it set a time.
    free_at: tokio::sync::Mutex<Option<Instant>>,
}

enum ParsedTarget {
    /// With a `thread_id`, messages go to this thread of the webhook's channel.
    Webhook {
        /// `/webhooks/ID/TOKEN`
        path: String,
        thread_id: Option<String>,
    },
    Bot {
        authorization: String,
        channel: ChannelId,
    },
}

impl DiscordClient {
    /// Makes a client; `endpoint` replaces Discord's base URL.
    ///
    /// # Errors
    /// [`DiscordError::Target`] if the webhook's URL or the channel's id is malformed. The error shows neither.
    pub fn new(target: &Target, endpoint: Option<&str>) -> Result<Self, DiscordError> {
        // reqwest is built without a TLS provider, so install one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder().connect_timeout(CONNECT).timeout(REQUEST).build();
        let http = http.map_err(|error| DiscordError::unreachable(&error))?;
        let target = match target {
            Target::Webhook(url) => webhook(url).ok_or_else(|| {
                DiscordError::Target(
                    "the webhook's URL is not like https://discord.com/api/webhooks/ID/TOKEN: correct the secret"
                        .into(),
                )
            })?,
            Target::Bot { token, channel_id } => ParsedTarget::Bot {
                authorization: format!("Bot {}", token.trim().trim_start_matches("Bot ")),
                channel: ChannelId::new(number(channel_id).ok_or_else(|| {
                    DiscordError::Target(
                        "DISCORD_CHANNEL_ID is not the id of a channel: set it to digits such as 1203456789012345678"
                            .into(),
                    )
                })?),
            },
        };
        let endpoint = endpoint.unwrap_or(DISCORD).trim_end_matches('/').to_owned();
        Ok(Self { http, endpoint, target, free_at: tokio::sync::Mutex::new(None) })
    }

    /// Posts a message, or edits the message with the id `edits`; returns the message's id.
    ///
    /// Waits for a rate limit if the wait ends before `deadline`.
    ///
    /// # Errors
    /// [`DiscordError`] says whether a retry may help, and when.
    pub async fn post(
        &self,
        post: &Post,
        edits: Option<&str>,
        deadline: Instant,
    ) -> Result<String, DiscordError> {
        let edits = edits.and_then(number).map(MessageId::new);
        let mut free_at = self.free_at.lock().await;
        let mut untimed_refusals = 0;
        loop {
            // Wait until Discord allows the next request, or leave the wait to the queue.
            if let Some(at) = *free_at {
                if at >= deadline {
                    return Err(DiscordError::Busy {
                        retry_after: at.saturating_duration_since(Instant::now()),
                    });
                }
                sleep_until(at).await;
                *free_at = None;
            }
            // Send, and note how long the answer asks to wait.
            let sent = self.request(post, edits)?.send().await;
            let answer = sent.map_err(|error| DiscordError::unreachable(&error))?;
            let status = answer.status();
            if status == StatusCode::TOO_MANY_REQUESTS {
                let limit = limit(answer).await;
                tracing::info!(wait_s = ?limit.wait, global = limit.is_global, "discord asks to wait");
                untimed_refusals += u32::from(limit.wait.is_none());
                if untimed_refusals > rate::UNTIMED_TRIES {
                    return Err(DiscordError::Busy { retry_after: rate::UNTIMED_REST });
                }
                *free_at = Some(Instant::now() + limit.wait.unwrap_or(rate::UNTIMED_WAIT));
                continue;
            }
            if let Some(wait) = rate::used_up(answer.headers()) {
                *free_at = Some(Instant::now() + wait);
            }
            return read(status, answer).await;
        }
    }

    fn request(&self, post: &Post, edits: Option<MessageId>) -> Result<RequestBuilder, DiscordError> {
        let (method, path) = match (&self.target, edits) {
            (ParsedTarget::Webhook { path, .. }, None) => (Method::POST, path.clone()),
            (ParsedTarget::Webhook { path, .. }, Some(id)) => {
                (Method::PATCH, format!("{path}/messages/{id}"))
            }
            (ParsedTarget::Bot { channel, .. }, None) => {
                (Method::POST, format!("/channels/{channel}/messages"))
            }
            (ParsedTarget::Bot { channel, .. }, Some(id)) => {
                (Method::PATCH, format!("/channels/{channel}/messages/{id}"))
            }
        };
        let mut request = self.http.request(method, self.url(&path)?).header(USER_AGENT, AGENT);
        match &self.target {
            ParsedTarget::Bot { authorization, .. } => {
                request = request.header("Authorization", authorization);
            }
            ParsedTarget::Webhook { thread_id, .. } => {
                let wait = edits.is_none().then_some(("wait", "true"));
                let thread = thread_id.as_ref().map(|id| ("thread_id", id.as_str()));
                let query: Vec<(&str, &str)> = wait.into_iter().chain(thread).collect();
                request = request.query(&query);
            }
        }
        if post.pictures.is_empty() {
            return Ok(request.json(&post.payload()));
        }
        let mut form = Form::new().text("payload_json", post.payload().to_string());
        for (number, picture) in post.pictures.iter().enumerate() {
            let part = Part::bytes(picture.png.clone()).file_name(picture.file_name.clone());
            let part = part.mime_str("image/png").map_err(|error| DiscordError::unreachable(&error))?;
            form = form.part(format!("files[{number}]"), part);
        }
        Ok(request.multipart(form))
    }

    /// The URL of a path of Discord's API.
    fn url(&self, path: &str) -> Result<Url, DiscordError> {
        let url = format!("{}{VERSION}{path}", self.endpoint);
        Url::parse(&url).map_err(|_| DiscordError::bad_endpoint())
    }
}

/// Reads a refusal's limit; without its body, from the headers alone.
async fn limit(refusal: Response) -> Limit {
    let headers = refusal.headers().clone();
    let body = refusal.bytes().await.unwrap_or_default();
    Limit::read(&headers, &body)
}

async fn read(status: StatusCode, answer: Response) -> Result<String, DiscordError> {
    let body = answer.bytes().await.map_err(|error| DiscordError::unreachable(&error))?;
    if status.is_success() {
        let message: Message =
            serde_json::from_slice(&body).map_err(|_| DiscordError::NotDiscord(status.as_u16()))?;
        return Ok(message.id.to_string());
    }
    Err(refusal(status.as_u16(), serde_json::from_slice(&body).ok().as_ref()))
}

fn webhook(url: &str) -> Option<ParsedTarget> {
    let url = Url::parse(url.trim()).ok()?;
    let mut parts = url.path_segments()?.skip_while(|part| *part != "webhooks").skip(1);
    let id = number(parts.next()?)?;
    let token = parts.next().filter(|token| !token.is_empty())?;
    let path = format!("/webhooks/{id}/{token}");
    let thread_id = url.query_pairs().find(|(name, _)| name == "thread_id");
    let thread_id = thread_id.map(|(_, id)| id.into_owned()).filter(|id| number(id).is_some());
    Some(ParsedTarget::Webhook { path, thread_id })
}

/// An id of Discord, which is never 0.
fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|id| *id != 0)
}
