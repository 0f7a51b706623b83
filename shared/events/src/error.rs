use thiserror::Error;

/// Why a message is no event. A retry cannot help: the message must change. `field` is the path of a JSON field, such as
/// `session_ids[1]` or `session.end_time`.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EventError {
    #[error("the message is empty")]
    Empty,
    #[error("the message is neither a JSON object nor the id of a test session: {0}")]
    NotJson(String),
    #[error("the message is {0}, not a JSON object or the id of a test session")]
    NotAnObject(&'static str),
    /// A message of another service.
    #[error("the message is {0}, not an event of ours")]
    Foreign(String),
    #[error("there is no event type {0:?}: it is quiz.completed or session.sync")]
    UnknownType(String),
    #[error("neither `session_id` nor `session_ids` is given")]
    NoSession,
    #[error("`{field}` is missing")]
    Missing { field: &'static str },
    #[error("`{field}` {problem}")]
    Invalid { field: String, problem: String },
    #[error(
        "`{field}`: session {session_id:?} names no quiz; give `quiz_id`, or an id that is 24 hex digits or ends in `_` and 24 hex digits"
    )]
    NoQuiz { field: String, session_id: String },
}

impl EventError {
    /// The `error_code` of a parked message: `not_an_event`, `unknown_event_type`, `invalid_field` or `quiz_id_unknown`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty | Self::NotJson(_) | Self::NotAnObject(_) | Self::Foreign(_) => "not_an_event",
            Self::UnknownType(_) => "unknown_event_type",
            Self::NoSession | Self::Missing { .. } | Self::Invalid { .. } => "invalid_field",
            Self::NoQuiz { .. } => "quiz_id_unknown",
        }
    }
}
