use quiz_pipeline::ports::SourceError;
use quiz_pipeline::{SinkError, SyncError};

/// Why the dry run of a test session failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The `error_code` with which a real run would park the message.
    pub code: &'static str,
    pub error: String,
    pub next_step: &'static str,
}

impl Failure {
    pub(crate) fn from_error(error: &SyncError) -> Self {
        Self { code: error.code(), error: error.to_string(), next_step: next_step(error) }
    }

    pub(crate) fn from_panic() -> Self {
        Self {
            code: "sync_panicked",
            error: "the dry run of this test session panicked".to_owned(),
            next_step: "this is a bug: report it with the message above",
        }
    }
}

fn next_step(error: &SyncError) -> &'static str {
    match error {
        SyncError::UnknownQuiz { .. } => "check the ids: the collection `quizzes` has no such quiz",
        SyncError::Quiz(_) => "fix the document of the quiz, then try again",
        SyncError::Source(SourceError::Corrupt { .. }) => "fix or remove that document, then try again",
        SyncError::Source(_) => "run `quiz-etl doctor` to check MongoDB, then try again",
        SyncError::Sink(error) if error.is_permanent() => "fix the dates of the test session, then try again",
        SyncError::Sink(SinkError::Store(_)) => {
            "run `quiz-etl doctor` to check the report tables, then try again"
        }
        _ => "try again",
    }
}
