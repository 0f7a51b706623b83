use std::time::Duration;

use quiz_discord::DiscordError;
use thiserror::Error;

/// Why a notice was not posted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoticeFailure {
    #[error(transparent)]
    Discord(#[from] DiscordError),
    /// A retry helps: the notice was not tried, or its post was interrupted.
    #[error("too little time left to post the notice: it is retried")]
    NoTime,
    /// No retry can help: another try would most likely crash too.
    #[error(
        "the last {tries} tries to post this notice alone crashed: the function was killed, or ran out of memory or time; \
         read the log of notify-discord, then drop the message"
    )]
    TriesCrash { tries: u32 },
}

impl NoticeFailure {
    /// Whether a retry may post the notice.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Discord(error) => error.is_retryable(),
            Self::NoTime => true,
            Self::TriesCrash { .. } => false,
        }
    }

    /// The `error_code` of a parked message.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Discord(error) => error.code(),
            Self::NoTime => "not_started",
            Self::TriesCrash { .. } => "notice_crashes",
        }
    }

    /// How long Discord asks to wait, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Discord(DiscordError::Busy { retry_after }) => Some(*retry_after),
            Self::Discord(_) | Self::NoTime | Self::TriesCrash { .. } => None,
        }
    }
}
