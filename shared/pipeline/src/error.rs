use quiz_domain::{QuizError, RankError};
use thiserror::Error;

use crate::ports::{SourceError, WarehouseError};
use crate::sink::SinkError;

/// Why a test was not synced.
#[derive(Debug, Error)]
pub enum SyncError {
    /// No retry can help: the messages are parked.
    #[error("there is no quiz {quiz_id} (asked for by session {session_id})")]
    UnknownQuiz { session_id: String, quiz_id: String },
    /// No retry can help until the quiz is mended: the messages are parked.
    #[error(transparent)]
    Quiz(#[from] QuizError),
    /// Retried; parked with this cause after the last try.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Retried, but where the test's own data is refused; parked with this cause after the last try.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Retried; parked with this cause after the last try.
    #[error(transparent)]
    Rank(#[from] RankError),
}

impl SyncError {
    /// Whether the same message can never succeed.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::UnknownQuiz { .. } | Self::Quiz(_) => true,
            Self::Sink(error) => error.is_permanent(),
            Self::Source(_) | Self::Rank(_) => false,
        }
    }

    /// The `error_code` of a parked message.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownQuiz { .. } => "unknown_quiz",
            Self::Quiz(_) => "malformed_quiz",
            Self::Source(SourceError::Unavailable { .. }) => "source_unavailable",
            Self::Source(SourceError::Refused { .. }) => "source_refused",
            Self::Source(SourceError::Corrupt { .. }) => "source_unreadable",
            Self::Sink(SinkError::Warehouse(WarehouseError::Rows { .. } | WarehouseError::Date(_))) => {
                "rows_refused"
            }
            Self::Sink(_) => "sink_failed",
            Self::Rank(_) => "ranking_failed",
        }
    }
}
