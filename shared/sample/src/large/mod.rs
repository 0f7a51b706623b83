//! One large assessment, as many students as asked for: to measure with. Its documents are a pure function
//! of [`Large`], and are written one by one.

mod answers;
mod quiz;
mod sessions;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use bson::Document;

use crate::SampleError;

/// How large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Large {
    pub students: u32,
    /// In three subjects; 105 is the size of a real one.
    pub questions: u32,
    pub seed: u64,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub sessions: u64,
    /// Of the session documents.
    pub bytes: u64,
}

impl Large {
    /// The id of its quiz.
    pub const QUIZ_ID: &'static str = "650000000000000000000001";

    #[must_use]
    pub fn quiz(&self) -> Document {
        quiz::document(self.questions)
    }

    /// The full documents of its questions.
    #[must_use]
    pub fn questions(&self) -> Vec<Document> {
        quiz::questions(self.questions)
    }

    /// The session documents of each student in turn: mostly one, two where an attempt was resumed.
    pub fn sessions(&self) -> impl Iterator<Item = Document> {
        let sitting = sessions::Sitting::new(*self);
        (0..self.students).flat_map(move |student| sitting.documents(student))
    }

    /// Writes a mongodump folder.
    ///
    /// # Errors
    /// [`SampleError::Write`] where a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Written, SampleError> {
        fs::create_dir_all(folder)
            .map_err(|source| SampleError::Write { path: folder.to_owned(), source })?;
        collection(folder, "quizzes", std::iter::once(self.quiz()))?;
        collection(folder, "questions", self.questions().into_iter())?;
        collection(folder, "sessions", self.sessions())
    }
}

fn collection(
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

/// A 24-hex id, as the Quiz Engine has them: of a kind of document and its number.
fn id(kind: u32, number: u64) -> String {
    format!("65{kind:06x}{number:016x}")
}
