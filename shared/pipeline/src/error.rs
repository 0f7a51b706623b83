use std::time::Duration;

use quiz_domain::{QuizError, RankError};
use quiz_events::{ParkCause, QueueError};
use quiz_sync_state::StateError;
use thiserror::Error;

use crate::listener::Patience;
use crate::ports::{SourceError, WarehouseError};
use crate::sink::SinkError;

pub(crate) const LEASE_LOST: &str = "lease_lost";
pub(crate) const FOLLOW_UP_NOT_SENT: &str = "follow_up_not_sent";

/// Why a test session was not synced.
#[derive(Debug, Error)]
pub enum SyncError {
    /// Retried, because the quiz may not be written yet; parked with this cause after the last try.
    #[error("there is no quiz {quiz_id} (requested by session {session_id})")]
    UnknownQuiz { session_id: String, quiz_id: String },
    /// Parked: each attempt's id would get a copy of the whole test session. No retry can help.
    #[error(
        "session_id {session_id} is the _id of an attempt at quiz {quiz_id}; send the id of the test session"
    )]
    SessionIdOfAttempt { session_id: String, quiz_id: String },
    /// Parked: no retry can help until the quiz is fixed.
    #[error(transparent)]
    Quiz(#[from] QuizError),
    /// Retried; parked with this cause after the last try.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Retried, unless the data of the test session is refused; parked with this cause after the last try.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Retried; parked with this cause after the last try.
    #[error(transparent)]
    Rank(#[from] RankError),
    /// Retried; parked with this cause after the last try.
    #[error(transparent)]
    State(#[from] StateError),
    /// A follow-up could not be sent. Retried; parked with this cause after the last try.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The answer of the store was lost, so a lease may be stored. Retried after that lease has expired; until then the
    /// message stays in its queue.
    #[error("{cause} (a lease may be stored)")]
    LeaseUnsure { cause: StateError },
    /// Retried; parked with this cause after the last try.
    #[error("too little time left to begin a sync: {left:?}")]
    NoTime { left: Duration },
    /// Others changed the state at each try. Retried; parked with this cause after the last try.
    #[error("the sync state of session {session_id} was changed by others {attempts} times in a row")]
    Contended { session_id: String, attempts: u32 },
    /// Retried; parked with this cause after the last try.
    #[error("another run has taken over the sync of session {session_id}")]
    TakenOver { session_id: String },
    /// Parked: another run would most likely crash as well. A new forced request runs, and so does any request that is
    /// sent ten minutes later.
    #[error(
        "the last {crashed_runs} runs for session {session_id} crashed: the function was killed, or ran out of memory or \
         time; read its log, fix the cause, then run quiz-etl sync {session_id} --force"
    )]
    RunsCrash { session_id: String, crashed_runs: u32 },
    /// An older message names another quiz than a newer one. Parked; retried only while a run is under way, because the
    /// older message may be right afterwards.
    #[error("session {session_id} is said to be of quiz {quiz_id}, but a newer message says quiz {newest}")]
    Contradiction { session_id: String, quiz_id: String, newest: String, permanent: bool },
}

impl SyncError {
    /// How long messages with this failure are retried.
    #[must_use]
    pub fn patience(&self) -> Patience {
        match self {
            Self::SessionIdOfAttempt { .. }
            | Self::Quiz(_)
            | Self::RunsCrash { .. }
            | Self::Contradiction { permanent: true, .. } => Patience::None,
            Self::Sink(error) if error.is_permanent() => Patience::None,
            Self::UnknownQuiz { .. } | Self::Source(SourceError::Corrupt { .. }) | Self::Rank(_) => {
                Patience::Short
            }
            Self::Source(
                SourceError::Unavailable { .. }
                | SourceError::Refused { .. }
                | SourceError::Unauthorized { .. },
            )
            | Self::Sink(_)
            | Self::State(_)
            | Self::LeaseUnsure { .. }
            | Self::NoTime { .. }
            | Self::Queue(_)
            | Self::Contended { .. }
            | Self::Contradiction { .. }
            | Self::TakenOver { .. } => Patience::Long,
        }
    }

    /// Whether the same message can never succeed.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.patience() == Patience::None
    }

    /// The `error_code` of a parked message.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownQuiz { .. } => "unknown_quiz",
            Self::SessionIdOfAttempt { .. } => ParkCause::SESSION_ID_OF_ATTEMPT,
            Self::Quiz(_) => "malformed_quiz",
            Self::Source(SourceError::Unavailable { .. }) => "source_unavailable",
            Self::Source(SourceError::Unauthorized { .. } | SourceError::Refused { .. }) => "source_refused",
            Self::Source(SourceError::Corrupt { .. }) => "source_unreadable",
            Self::Sink(SinkError::Warehouse(WarehouseError::Rows { .. } | WarehouseError::Date(_))) => {
                "rows_refused"
            }
            Self::Sink(error) if error.is_lease_over() => LEASE_LOST,
            Self::Sink(_) => "sink_failed",
            Self::Rank(_) => "ranking_failed",
            Self::State(_) | Self::LeaseUnsure { .. } | Self::Contended { .. } => "state_unavailable",
            Self::NoTime { .. } => "not_started",
            Self::Queue(_) => FOLLOW_UP_NOT_SENT,
            Self::TakenOver { .. } => LEASE_LOST,
            Self::RunsCrash { .. } => "runs_crash",
            Self::Contradiction { .. } => "contradicting_quiz",
        }
    }
}
