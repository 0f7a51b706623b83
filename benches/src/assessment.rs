use anyhow::{Context, Result};
use bson::{Document, RawDocumentBuf};
use jiff::Timestamp;
use quiz_domain::reports::{self, ReportItem, ReportTable, Stamp};
use quiz_domain::{JudgedAttempt, Problems, Quiz, SessionResult, SessionScorer, TakenDocument, TestSession};
use quiz_sample::large::LargeAssessment;

/// A quiz and its stored attempts in memory: for each student the attempt that counts.
#[derive(Debug)]
pub struct LoadedAssessment {
    pub quiz: Quiz,
    pub sessions: Vec<RawDocumentBuf>,
}

impl LoadedAssessment {
    /// Generates the documents and reads the quiz.
    ///
    /// # Errors
    /// If a document cannot be read.
    pub fn generate(large: LargeAssessment) -> Result<Self> {
        let quiz = read(&large.quiz(), &large.questions())?;
        let mut sessions = Vec::new();
        let mut student = None;
        for document in large.sessions() {
            // a student's attempts follow each other: keep the last one
            let its_student = document.get("user_id").cloned();
            if student.is_some() && its_student == student {
                sessions.pop();
            }
            student = its_student;
            sessions.push(RawDocumentBuf::try_from(&document)?);
        }
        Ok(Self { quiz, sessions })
    }

    /// The size of all attempts in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.sessions.iter().map(|document| document.as_bytes().len() as u64).sum()
    }

    /// A scorer of the quiz without attempts.
    #[must_use]
    pub fn builder(&self) -> SessionScorer {
        builder(self.quiz.clone())
    }

    /// The scored and ranked result.
    ///
    /// # Errors
    /// If the attempts cannot be ranked.
    pub fn result(&self) -> Result<SessionResult> {
        let mut builder = self.builder();
        for document in &self.sessions {
            builder.take_raw(document, false).context("an unusual document")?;
        }
        Ok(builder.finish()?)
    }

    /// The first `count` judged attempts with their answers, the input of the warehouse's rows.
    ///
    /// # Errors
    /// If a document is no attempt.
    pub fn attempts(&self, count: usize) -> Result<Vec<JudgedAttempt>> {
        let mut builder = self.builder();
        let attempt = |document: &RawDocumentBuf| match builder.take_raw(document, true) {
            Some(TakenDocument::Attempt(attempt)) => Ok(*attempt),
            _ => anyhow::bail!("a document is no attempt"),
        };
        self.sessions.iter().take(count).map(attempt).collect()
    }

    /// The v1 items of the result, each with its digest.
    ///
    /// # Errors
    /// If the attempts cannot be ranked.
    pub fn items(&self) -> Result<Vec<ReportItem>> {
        let result = self.result()?;
        let mut items: Vec<_> = reports::items(&result, ReportTable::Sections, stamp()).collect();
        items.iter_mut().for_each(ReportItem::seal);
        Ok(items)
    }
}

/// The stamp of the first run.
#[must_use]
pub fn stamp() -> Stamp {
    Stamp { written_at: Timestamp::UNIX_EPOCH, generation: 1 }
}

/// Reads a quiz document with its questions.
///
/// # Errors
/// If the quiz document is invalid.
pub fn read(quiz: &Document, questions: &[Document]) -> Result<Quiz> {
    Ok(Quiz::read(quiz, questions)?.0)
}

/// A scorer of a test session without attempts.
#[must_use]
pub fn builder(quiz: Quiz) -> SessionScorer {
    let session = TestSession { session_id: "Large".to_owned(), ..TestSession::default() };
    SessionScorer::new(quiz, session, Timestamp::UNIX_EPOCH, Problems::default())
}
