//! One large assessment with any number of students, for measurements.
//!
//! Its documents are a pure function of [`LargeAssessment`]: two runs give the same bytes. They are made one by one, so a dump can be
//! larger than the memory. Marks spread like a bell, and the documents have the size of real ones.

mod answers;
mod quiz;
mod sessions;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use bson::Document;

use crate::SampleError;

/// The size of the assessment, and the seed of its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeAssessment {
    pub students: u32,
    /// The number of questions, in three subjects. A real assessment has 105.
    pub questions: u32,
    pub seed: u64,
}

/// The size of the written sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Session documents.
    pub sessions: u64,
    /// Bytes of all session documents.
    pub bytes: u64,
}

impl LargeAssessment {
    /// The id of the quiz.
    pub const QUIZ_ID: &'static str = "650000000000000000000001";

    /// The quiz document.
    #[must_use]
    pub fn quiz(&self) -> Document {
        quiz::document(self.questions)
    }

    /// The full documents of the questions.
    #[must_use]
    pub fn questions(&self) -> Vec<Document> {
        quiz::questions(self.questions)
    }

    /// The session documents, student by student: one each, or two where the student resumed.
    pub fn sessions(&self) -> impl Iterator<Item = Document> {
        let generator = sessions::SessionGenerator::new(*self);
        (0..self.students).flat_map(move |student| generator.documents(student))
    }

    /// Writes a mongodump folder with the three collections.
    ///
    /// # Errors
    /// [`SampleError::Write`] where a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Written, SampleError> {
        fs::create_dir_all(folder)
            .map_err(|source| SampleError::Write { path: folder.to_owned(), source })?;
        write_collection(folder, "quizzes", std::iter::once(self.quiz()))?;
        write_collection(folder, "questions", self.questions().into_iter())?;
        write_collection(folder, "sessions", self.sessions())
    }
}

fn write_collection(
    folder: &Path,
    name: &str,
    documents: impl Iterator<Item = Document>,
) -> Result<Written, SampleError> {
    let path = folder.join(format!("{name}.bson"));
    let failed = |source| SampleError::Write { path: path.clone(), source };
    let mut file = BufWriter::new(File::create(&path).map_err(failed)?);
    let mut written = Written::default();
    for document in documents {
        let bytes = document.to_vec()?;
        file.write_all(&bytes).map_err(failed)?;
        written.sessions += 1;
        written.bytes += bytes.len() as u64;
    }
    file.flush().map_err(failed)?;
    Ok(written)
}

/// A 24-hex id like those of the Quiz Engine, from the kind of a document and its number.
fn id(kind: u32, number: u64) -> String {
    format!("65{kind:06x}{number:016x}")
}
