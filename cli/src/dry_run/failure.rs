use quiz_pipeline::ports::SourceError;
use quiz_pipeline::{SinkError, SyncError};

/// Why a test could not be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The `error_code` that a real run's message would be parked with.
    pub code: &'static str,
    pub error: String,
    pub next_step: &'static str,
}

impl Failure {
    pub(crate) fn of(error: &SyncError) -> Self {
        Self { code: error.code(), error: error.to_string(), next_step: next_step(error) }
    }

    pub(crate) fn broke_down() -> Self {
        Self {
            code: "sync_panicked",
            error: "the dry run of this test broke down".to_owned(),
            next_step: "this is a bug: report it with the message above",
        }
    }
}

fn next_step(error: &SyncError) -> &'static str {
    match error {
        SyncError::UnknownQuiz { .. } => "check the ids: MongoDB's collection `quizzes` has no such quiz",
        SyncError::Quiz(_) => "mend the quiz's document, then try again",
        SyncError::Source(SourceError::Corrupt { .. }) => "mend or remove that document, then try again",
        SyncError::Source(_) => "run `quiz-etl doctor` to see what MongoDB lacks, then try again",
        SyncError::Sink(error) if error.is_permanent() => "mend the test's dates, then try again",
        SyncError::Sink(SinkError::Store(_)) => {
            "run `quiz-etl doctor` to see what the report tables lack, then try again"
        }
        _ => "try again",
    }
}
