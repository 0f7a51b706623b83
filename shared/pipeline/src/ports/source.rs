use async_trait::async_trait;
use bson::{Bson, Document};
use futures::stream::BoxStream;
use quiz_domain::Problems;
use quiz_events::Cause;
use thiserror::Error;

use super::AttemptStream;

/// Why documents could not be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The server or network failed; a retry may help.
    #[error("could not read {what}: {cause}")]
    Unavailable { what: String, cause: Cause },
    /// The credentials are wrong or lack a permission; a retry helps with other credentials only.
    #[error("may not read {what}: {cause}")]
    Unauthorized { what: String, cause: Cause },
    /// The server refuses the request itself; a retry cannot help until the server or its configuration changes.
    #[error("may not read {what}: {cause}")]
    Refused { what: String, cause: Cause },
    /// The stored bytes are no BSON document, or cannot be opened; a retry cannot help.
    #[error("cannot read {what}: {cause}")]
    Corrupt { what: String, cause: Cause },
}

/// A quiz with the full documents of its questions.
#[derive(Clone, Debug, Default)]
pub struct QuizDocuments {
    pub quiz: Document,
    /// The documents of `questions` whose `question_set_id` is one of the quiz's sets, in any order.
    pub questions: Vec<Document>,
    /// Problems found while reading, such as a quiz that is stored twice.
    pub problems: Problems,
}

/// Documents one by one, as they are read.
pub type DocumentStream<'a> = BoxStream<'a, Result<Document, SourceError>>;

/// The source of quizzes, questions and attempts. Ids are given as text, and match a stored text or `ObjectId`.
///
/// An error in a stream ends the sync of the whole test session. So a source yields [`quiz_domain::unreadable`] for an
/// attempt that it cannot decode, and the domain counts it as a problem. A quiz that cannot be decoded is an error.
#[async_trait]
pub trait AnswerSource: Send + Sync {
    /// The quiz with its questions; `None` if there is no such quiz.
    async fn quiz(&self, quiz_id: &str) -> Result<Option<QuizDocuments>, SourceError>;

    /// The heads of all attempts at the quiz: only the fields of [`quiz_domain::AttemptHead::FIELDS`]. A document may come
    /// more than once; [`quiz_domain::AttemptSelection::merge_states`] chooses its newest state.
    async fn attempt_heads<'a>(&'a self, quiz_id: &'a str) -> Result<DocumentStream<'a>, SourceError>;

    /// The heads of these users' attempts at the quiz. A user id is given as text, and matches a stored text, number or
    /// `ObjectId`.
    async fn heads_of(&self, quiz_id: &str, user_ids: &[String]) -> Result<Vec<Document>, SourceError>;

    /// The attempts with these `_id`s (in stored form), in any order, each once in its newest state; deleted documents are
    /// left out. Fields that [`quiz_domain::Attempt::read`] does not use may be missing.
    async fn attempts<'a>(
        &'a self,
        quiz_id: &'a str,
        keys: Vec<Bson>,
    ) -> Result<AttemptStream<'a>, SourceError>;
}
