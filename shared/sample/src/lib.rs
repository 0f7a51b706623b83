//! Real data, as the Quiz Engine stores it, and large data made like it: for the `demo`, for tests and for measurements.

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
