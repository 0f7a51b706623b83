//! What the benches measure with: a large test's documents, in memory.

use anyhow::Result;
use bson::{Document, RawDocumentBuf};
use jiff::Timestamp;
use quiz_domain::{Problems, Quiz, TestBuilder, TestSession};
use quiz_sample::large::Large;

/// A quiz and its session documents as they are stored.
#[derive(Debug)]
pub struct Stored {
    pub quiz: Quiz,
    pub sessions: Vec<RawDocumentBuf>,
}

impl Stored {
    /// # Errors
    /// Where one of its documents is none.
    pub fn of(large: Large) -> Result<Self> {
        let quiz = read(&large.quiz(), &large.questions())?;
        let sessions = large.sessions().map(|document| Ok(RawDocumentBuf::try_from(&document)?));
        Ok(Self { quiz, sessions: sessions.collect::<Result<_>>()? })
    }

    /// Of the session documents.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.sessions.iter().map(|document| document.as_bytes().len() as u64).sum()
    }

    #[must_use]
    pub fn builder(&self) -> TestBuilder {
        builder(self.quiz.clone())
    }
}

/// # Errors
/// Of a quiz document that is none.
pub fn read(quiz: &Document, questions: &[Document]) -> Result<Quiz> {
    Ok(Quiz::read(quiz, questions)?.0)
}

#[must_use]
pub fn builder(quiz: Quiz) -> TestBuilder {
    TestBuilder::new(quiz, TestSession::default(), Timestamp::UNIX_EPOCH, Problems::default())
}
