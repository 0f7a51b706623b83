use std::time::Instant;

use hyper::header::{AUTHORIZATION, USER_AGENT};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};
use serde_json::json;

use super::SeenRequest;
use super::body::Sent;
use super::channel::Author;
use super::reply::Reply;

pub const WEBHOOK_ID: &str = "123456789012345678";
pub const WEBHOOK_TOKEN: &str = "stub-token-of-a-webhook-that-is-as-long-as-those-of-discord-itself-0";
pub const BOT_TOKEN: &str = "stub.token.of-a-bot";
pub const BOT_ID: &str = "111111111111111111";
pub const CHANNEL_ID: &str = "876543210987654321";

/// A request after its body was read.
pub struct ReadRequest {
    pub head: Parts,
    pub sent: Sent,
    pub arrived: Instant,
}

impl ReadRequest {
    pub fn seen(&self) -> SeenRequest {
        let path = self.head.uri.path_and_query().map_or("/", |path| path.as_str());
        let method = self.head.method.to_string();
        SeenRequest { method, path: path.to_owned(), status: 0, problems: Vec::new() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    GetWebhook,
    GetBot,
    GetChannel,
    ExecuteWebhook,
    EditWebhookMessage,
    CreateMessage,
    EditMessage,
}

/// The target of a request: the operation and its ids.
#[derive(Debug)]
pub struct Target<'a> {
    pub operation: Operation,
    /// The id of the webhook or channel.
    id: &'a str,
    webhook_token: &'a str,
    /// The id of the message to edit.
    pub message: Option<&'a str>,
    /// Whether the answer holds the new message.
    pub wait: bool,
}

impl<'a> Target<'a> {
    pub fn of(head: &'a Parts) -> Option<Self> {
        let path = head.uri.path();
        let (path, versioned) = match path.strip_prefix("/api/v10/") {
            Some(path) => (path, true),
            None => (path.strip_prefix("/api/")?, false),
        };
        let segments: Vec<&str> = path.split('/').collect();
        let target = |operation, id, webhook_token, message| {
            let wait = query(head).any(|(name, value)| name == "wait" && value == "true");
            Some(Self { operation, id, webhook_token, message, wait })
        };
        match (&head.method, segments.as_slice()) {
            (&Method::GET, &["webhooks", id, token]) => target(Operation::GetWebhook, id, token, None),
            (&Method::GET, &["users", "@me"]) if versioned => target(Operation::GetBot, CHANNEL_ID, "", None),
            (&Method::GET, &["channels", id]) if versioned => target(Operation::GetChannel, id, "", None),
            (&Method::POST, &["webhooks", id, token]) => target(Operation::ExecuteWebhook, id, token, None),
            (&Method::PATCH, &["webhooks", id, token, "messages", message]) => {
                target(Operation::EditWebhookMessage, id, token, Some(message))
            }
            (&Method::POST, &["channels", id, "messages"]) if versioned => {
                target(Operation::CreateMessage, id, "", None)
            }
            (&Method::PATCH, &["channels", id, "messages", message]) if versioned => {
                target(Operation::EditMessage, id, "", Some(message))
            }
            _ => None,
        }
    }

    pub fn author(&self) -> Author {
        match self.operation {
            Operation::GetWebhook | Operation::ExecuteWebhook | Operation::EditWebhookMessage => {
                Author::Webhook
            }
            Operation::GetBot | Operation::GetChannel | Operation::CreateMessage | Operation::EditMessage => {
                Author::Bot
            }
        }
    }

    /// The name of the request's rate limit.
    pub fn bucket(&self) -> String {
        let kind = if self.author() == Author::Webhook { "webhook" } else { "channel" };
        format!("{kind}-{}", self.id)
    }

    /// Discord's answer to a request without permission.
    pub fn refuse(&self, headers: &HeaderMap, webhook_token: &str) -> Option<Reply> {
        match self.author() {
            Author::Webhook if self.id != WEBHOOK_ID => Some(Reply::error(404, 10015, "Unknown Webhook")),
            Author::Webhook if self.webhook_token != webhook_token => {
                Some(Reply::error(401, 50027, "Invalid Webhook Token"))
            }
            Author::Webhook => None,
            Author::Bot => {
                let given =
                    headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
                if given.strip_prefix("Bot ") != Some(BOT_TOKEN) {
                    return Some(Reply::error(401, 0, "401: Unauthorized"));
                }
                (self.id != CHANNEL_ID).then(|| Reply::error(404, 10003, "Unknown Channel"))
            }
        }
    }

    /// The answer to a request that reads.
    pub fn read(&self, webhook_token: &str) -> Option<Reply> {
        let found = match self.operation {
            Operation::GetWebhook => json!({
                "id": WEBHOOK_ID, "type": 1, "name": "stub", "avatar": null, "channel_id": CHANNEL_ID,
                "guild_id": null, "application_id": null, "token": webhook_token,
            }),
            Operation::GetBot => json!({
                "id": BOT_ID, "username": "stub", "discriminator": "0000", "avatar": null, "global_name": null,
                "bot": true, "public_flags": 0, "flags": 0,
            }),
            Operation::GetChannel => json!({ "id": CHANNEL_ID, "type": 0, "name": "ops" }),
            _ => return None,
        };
        Some(Reply::json(200, &found))
    }

    /// The violations of the request outside its body.
    pub fn problems(&self, head: &Parts) -> Vec<String> {
        let mut problems = Vec::new();
        let agent = head.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !agent.starts_with("DiscordBot (") {
            problems.push(format!("User-Agent is not `DiscordBot (url, version)` but {agent:?}"));
        }
        for (name, value) in query(head) {
            let known = match self.operation {
                Operation::ExecuteWebhook => ["wait", "thread_id", "with_components"].contains(&name),
                Operation::EditWebhookMessage => ["thread_id", "with_components"].contains(&name),
                _ => false,
            };
            let typed = name == "thread_id" || ["true", "false"].contains(&value);
            if !known || !typed {
                problems.push(format!("the query has {name}={value}"));
            }
        }
        problems
    }
}

fn query(head: &Parts) -> impl Iterator<Item = (&str, &str)> {
    let pairs = head.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}
