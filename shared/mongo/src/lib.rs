//! The Quiz Engine's MongoDB as an [`AnswerSource`](quiz_pipeline::ports::AnswerSource): quizzes, the
//! full documents of their questions, and session documents. It only reads, and only from the primary.

mod attempts;
mod catalog;
mod connect;
mod documents;
mod error;
mod inspect;
mod source;

pub use catalog::MongoCatalog;
pub use error::MongoError;
pub use inspect::{IndexFacts, MongoInspector, Rights, ServerFacts};
pub use source::MongoSource;
