use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use quiz_pipeline::ports::{CompletedQuiz, LastAnswer, SourceError};

/// From `since` on and before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub since: Timestamp,
    pub until: Timestamp,
}

impl Window {
    /// The `length` before `now`, but for what is younger than `settle`.
    #[must_use]
    pub fn before(now: Timestamp, length: Duration, settle: Duration) -> Self {
        let ago = |duration| {
            let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
            now.checked_sub(duration).unwrap_or(Timestamp::UNIX_EPOCH)
        };
        let until = ago(settle);
        Self { since: ago(length).min(until), until }
    }
}

/// What students have answered, as MongoDB has it.
#[async_trait]
pub trait Answers: Send + Sync {
    /// Of each quiz the newest session document that was written within the window.
    async fn answered(&self, window: Window, patience: Duration) -> Result<Vec<LastAnswer>, SourceError>;

    /// Those of the quizzes that students have completed within the window.
    async fn completed(
        &self,
        quiz_ids: &[String],
        window: Window,
        patience: Duration,
    ) -> Result<Vec<CompletedQuiz>, SourceError>;

    /// Those of the quizzes that there are, with their titles.
    async fn titles(&self, quiz_ids: &[String]) -> Result<HashMap<String, Option<String>>, SourceError>;
}
