use anyhow::{Context, Result};
use bson::{Document, RawDocumentBuf};
use jiff::Timestamp;
use quiz_domain::reports::{self, ReportItem, ReportTable, Stamp};
use quiz_domain::{JudgedAttempt, Problems, Quiz, SessionResult, SessionScorer, TakenDocument, TestSession};
use quiz_sample::large::LargeAssessment;

/// A quiz and its session documents as they are stored, in memory: of each student the one that counts.
#[derive(Debug)]
pub struct Stored {
    pub quiz: Quiz,
    pub sessions: Vec<RawDocumentBuf>,
}

impl Stored {
    /// # Errors
    /// Where one of its documents is none.
    pub fn of(large: LargeAssessment) -> Result<Self> {
        let quiz = read(&large.quiz(), &large.questions())?;
        let mut sessions = Vec::new();
        let mut student = None;
        for document in large.sessions() {
            // of a student's documents, which follow one another, the last
            let its_student = document.get("user_id").cloned();
            if student.is_some() && its_student == student {
                sessions.pop();
            }
            student = its_student;
            sessions.push(RawDocumentBuf::try_from(&document)?);
        }
        Ok(Self { quiz, sessions })
    }

    /// Of the session documents.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.sessions.iter().map(|document| document.as_bytes().len() as u64).sum()
    }

    #[must_use]
    pub fn builder(&self) -> SessionScorer {
        builder(self.quiz.clone())
    }

    /// The test, ranked.
    ///
    /// # Errors
    /// Where it cannot be ranked.
    pub fn test(&self) -> Result<SessionResult> {
        let mut builder = self.builder();
        for document in &self.sessions {
            builder.take_raw(document, false).context("an unusual document")?;
        }
        Ok(builder.finish()?)
    }

    /// The first documents' attempts, with their answers, as the warehouse's rows are made of them.
    ///
    /// # Errors
    /// Where a document is no attempt.
    pub fn attempts(&self, count: usize) -> Result<Vec<JudgedAttempt>> {
        let mut builder = self.builder();
        let attempt = |document: &RawDocumentBuf| match builder.take_raw(document, true) {
            Some(TakenDocument::Attempt(attempt)) => Ok(*attempt),
            _ => anyhow::bail!("a document is no attempt"),
        };
        self.sessions.iter().take(count).map(attempt).collect()
    }

    /// The v1 items of the ranked test, each with its digest.
    ///
    /// # Errors
    /// Where it cannot be ranked.
    pub fn items(&self) -> Result<Vec<ReportItem>> {
        let test = self.test()?;
        let mut items: Vec<_> = reports::items(&test, ReportTable::Sections, stamp()).collect();
        items.iter_mut().for_each(ReportItem::seal);
        Ok(items)
    }
}

/// Of the first run.
#[must_use]
pub fn stamp() -> Stamp {
    Stamp { written_at: Timestamp::UNIX_EPOCH, generation: 1 }
}

/// # Errors
/// Of a quiz document that is none.
pub fn read(quiz: &Document, questions: &[Document]) -> Result<Quiz> {
    Ok(Quiz::read(quiz, questions)?.0)
}

#[must_use]
pub fn builder(quiz: Quiz) -> SessionScorer {
    let session = TestSession { session_id: "Large".to_owned(), ..TestSession::default() };
    SessionScorer::new(quiz, session, Timestamp::UNIX_EPOCH, Problems::default())
}
