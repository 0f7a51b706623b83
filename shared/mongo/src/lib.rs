//! The Quiz Engine's MongoDB as an [`AnswerSource`](quiz_pipeline::ports::AnswerSource): quizzes, the
//! full documents of their questions, and session documents. It only reads, and only from the primary.

mod connect;
mod documents;
mod error;
mod source;

pub use error::MongoError;
pub use source::MongoSource;
