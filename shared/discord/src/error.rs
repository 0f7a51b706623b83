use std::time::Duration;

use thiserror::Error;

/// Why a message was not posted. No error shows a token.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DiscordError {
    /// Rate limited: a retry helps after `retry_after`.
    #[error("Discord asks to wait {} s, longer than the deadline allows", .retry_after.as_secs())]
    Busy { retry_after: Duration },
    /// A retry may help.
    #[error("cannot reach Discord: {0}")]
    Unreachable(String),
    /// A retry may help.
    #[error("Discord answered {status}: {said}")]
    Failed { status: u16, said: String },
    /// A retry may help.
    #[error("an answer with status {0} is not from Discord: check DISCORD_ENDPOINT")]
    NotDiscord(u16),
    /// A retry may help: Cloudflare or a proxy refused the request, not Discord.
    #[error("cannot reach Discord: Cloudflare or a proxy answered {status}, {said}")]
    Blocked { status: u16, said: String },
    /// No retry can help: the webhook or token is gone, or lacks a permission. `code` is Discord's.
    #[error("Discord answered {status}, {said}: create a new webhook or token and put it into the secret")]
    Dead { status: u16, code: u64, said: String },
    /// The message to edit was deleted: post a new one.
    #[error("Discord does not know the message to edit: it was deleted")]
    UnknownMessage,
    /// No retry can help: this message is refused. `said` names its wrong fields.
    #[error("Discord refuses the message ({status}): {said}")]
    Refused { status: u16, said: String },
    /// No retry can help: the configuration must change.
    #[error("{0}")]
    Target(String),
}

impl DiscordError {
    pub(crate) fn bad_endpoint() -> Self {
        Self::Target("DISCORD_ENDPOINT is not a URL such as https://discord.com".into())
    }

    pub(crate) fn unreachable(error: &reqwest::Error) -> Self {
        let mut said = Vec::new();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
        while let Some(error) = cause {
            said.push(error.to_string());
            cause = error.source();
        }
        // The error itself shows the URL, which contains the webhook's token.
        Self::Unreachable(if said.is_empty() { "no answer in time".to_owned() } else { said.join(": ") })
    }

    /// Whether a retry may post the same message.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy { .. }
            | Self::Unreachable(_)
            | Self::Failed { .. }
            | Self::NotDiscord(_)
            | Self::Blocked { .. } => true,
            Self::Dead { .. } | Self::UnknownMessage | Self::Refused { .. } | Self::Target(_) => false,
        }
    }

    /// The `error_code` of a parked message.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "discord_busy",
            Self::Unreachable(_) | Self::NotDiscord(_) | Self::Blocked { .. } => "discord_unreachable",
            Self::Failed { .. } => "discord_failed",
            Self::Dead { .. } => "discord_token_dead",
            Self::Refused { .. } | Self::UnknownMessage => "discord_refused",
            Self::Target(_) => "discord_misconfigured",
        }
    }
}
