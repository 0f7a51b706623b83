use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use quiz_domain::KeyDigest;
use quiz_pipeline::ports::{CompletedQuiz, LastAnswer, SourceError};

/// The time from `since` on and before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub since: Timestamp,
    pub until: Timestamp,
}

impl Window {
    /// The `length` before `now`, without the last `settle`.
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

/// The port to the answers and quizzes in MongoDB. `patience` limits the time of a query.
#[async_trait]
pub trait Answers: Send + Sync {
    /// The newest attempt of each quiz that was written within the window.
    ///
    /// # Errors
    /// [`SourceError`] if MongoDB cannot be read.
    async fn answered(&self, window: Window, patience: Duration) -> Result<Vec<LastAnswer>, SourceError>;

    /// The given quizzes that students completed within the window.
    ///
    /// # Errors
    /// [`SourceError`] if MongoDB cannot be read.
    async fn completed(
        &self,
        quiz_ids: &[String],
        window: Window,
        patience: Duration,
    ) -> Result<Vec<CompletedQuiz>, SourceError>;

    /// The digests of the keys of the given quizzes; a quiz that does not exist or cannot be read has no entry.
    ///
    /// # Errors
    /// [`SourceError`] if MongoDB cannot be read.
    async fn keys(&self, quiz_ids: &[String]) -> Result<HashMap<String, KeyDigest>, SourceError>;

    /// The titles of the given quizzes; a quiz that does not exist has no entry.
    ///
    /// # Errors
    /// [`SourceError`] if MongoDB cannot be read.
    async fn titles(&self, quiz_ids: &[String]) -> Result<HashMap<String, Option<String>>, SourceError>;
}
