//! Sample documents in the form in which the Quiz Engine stores them: for the `demo` command, tests and measurements.
//!
//! [`sapa`] has the real answers of 1,525 people to 16 ability items, with their published scoring. [`large`] makes an
//! assessment of any size. Both give the same documents in every run.
//!
//! ```
//! use quiz_sample::sapa;
//!
//! let documents = sapa::documents()?;
//! assert_eq!(documents.questions.len(), 16);
//! assert_eq!(sapa::users()?.len(), sapa::PARTICIPANTS);
//! # Ok::<(), quiz_sample::SampleError>(())
//! ```

mod dump;
mod error;
pub mod large;
pub mod sapa;

use bson::Document;

pub use dump::write_dump;
pub use error::SampleError;

/// The documents of the Quiz Engine's three collections, each by ascending `_id`.
#[derive(Clone, Debug)]
pub struct SampleDocuments {
    pub quizzes: Vec<Document>,
    pub questions: Vec<Document>,
    pub sessions: Vec<Document>,
}
