use std::time::Duration;

use thiserror::Error;

/// Why a message was not posted. No error tells a token.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DiscordError {
    /// A retry helps then.
    #[error("Discord asks to wait {} s more than there is time for", .retry_after.as_secs())]
    Busy { retry_after: Duration },
    /// A retry may help.
    #[error("Discord was not reached: {0}")]
    Unreachable(String),
    /// A retry may help.
    #[error("Discord answered {status}: {said}")]
    Failed { status: u16, said: String },
    /// A retry may help.
    #[error("the answer with status {0} is not Discord's: check DISCORD_ENDPOINT")]
    NotDiscord(u16),
    /// No retry can help: the webhook or token is gone, or lacks a permission.
    #[error("Discord answered {status}, {said}: make a new webhook or token, and put it into the secret")]
    Dead { status: u16, said: String },
    /// No retry can help: this message is refused.
    #[error("Discord refuses the message ({status}): {said}")]
    Refused { status: u16, said: String },
    /// No retry can help: the configuration must change.
    #[error("{0} is none")]
    Target(&'static str),
}

impl DiscordError {
    pub(crate) fn unreachable(error: &reqwest::Error) -> Self {
        let mut said = Vec::new();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
        while let Some(error) = cause {
            said.push(error.to_string());
            cause = error.source();
        }
        // the error itself tells the URL, which holds the webhook's token
        Self::Unreachable(if said.is_empty() { "no answer in time".to_owned() } else { said.join(": ") })
    }

    pub(crate) fn answered(status: u16, said: &str) -> Self {
        let said = said.to_owned();
        match status {
            401 | 403 | 404 => Self::Dead { status, said },
            408 | 500.. => Self::Failed { status, said },
            _ => Self::Refused { status, said },
        }
    }

    /// Whether the same message may yet be posted.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unreachable(_) | Self::Failed { .. } | Self::NotDiscord(_))
    }

    /// The `error_code` of a parked message.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "discord_busy",
            Self::Unreachable(_) | Self::NotDiscord(_) => "discord_unreachable",
            Self::Failed { .. } => "discord_failed",
            Self::Dead { .. } => "discord_token_dead",
            Self::Refused { .. } => "discord_refused",
            Self::Target(_) => "discord_misconfigured",
        }
    }
}
