//! The Quiz Engine's MongoDB as an [`AnswerSource`](quiz_pipeline::ports::AnswerSource).
//!
//! - [`MongoSource`] reads what one sync needs: a quiz, its questions and its attempts.
//! - [`MongoCatalog`] answers questions about many quizzes for reconcile and backfill.
//! - [`MongoInspector`] describes the server, its indexes and the user's rights for the doctor verb.
//!
//! The crate never writes, and it reads only from the primary, so that each acknowledged write is visible.

mod attempts;
mod catalog;
mod connect;
mod documents;
mod error;
mod inspect;
mod keys;
mod source;

pub use catalog::MongoCatalog;
pub use error::MongoError;
pub use inspect::{IndexFacts, MongoInspector, Rights, ServerFacts};
pub use source::MongoSource;
