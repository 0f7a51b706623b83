//! The Quiz Engine's database, whose documents change during reads.

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use bson::{Bson, Document, RawDocumentBuf, bson, doc};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use quiz_domain::{AttemptHead, user_id};
use quiz_pipeline::ports::{
    AnswerSource, AttemptBatch, AttemptStream, DocumentStream, QuizDocuments, SourceError,
};

/// No answer, or one of two options.
pub const CHOICES: i32 = 3;

#[derive(Default)]
pub struct Documents(Mutex<Vec<Document>>);

#[must_use]
pub fn quiz_id(test: usize) -> String {
    format!("{test:024x}")
}

/// The state of an attempt; its number gives the `_id`.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    pub test: usize,
    pub user: usize,
    pub number: usize,
    /// The student's answers.
    pub answers: [i32; 2],
    pub ended: bool,
}

impl Documents {
    fn all(&self) -> MutexGuard<'_, Vec<Document>> {
        self.0.lock().unwrap()
    }

    /// Inserts or replaces an attempt's document.
    pub fn write(&self, written: Written, now: Timestamp) {
        let id = format!("{:024x}", 0x1000 + written.number);
        let record = |(question, answer): (&str, i32)| {
            let answer = if answer == 0 { Bson::Null } else { bson!([answer - 1]) };
            bson!({"question_id": question, "answer": answer, "visited": true})
        };
        let records: Vec<Bson> = ["a", "b"].into_iter().zip(written.answers).map(record).collect();
        let document = doc! {
            "_id": &id, "user_id": user(written.user), "quiz_id": quiz_id(written.test),
            "has_quiz_ended": written.ended,
            "updated_at": bson::DateTime::from_millis(now.as_millisecond()),
            "events": [{"event_type": "start-quiz", "created_at": "2024-04-30T04:30:00"}],
            "session_answers": records,
        };
        let mut all = self.all();
        all.retain(|document| text(document, "_id") != id);
        all.push(document);
    }

    pub fn remove(&self, test: usize, student: usize) {
        let (quiz, user) = (quiz_id(test), user(student));
        self.all().retain(|document| text(document, "quiz_id") != quiz || text(document, "user_id") != user);
    }

    fn attempts_at(&self, quiz_id: &str) -> Vec<Document> {
        self.all().iter().filter(|document| text(document, "quiz_id") == quiz_id).cloned().collect()
    }
}

fn text<'a>(document: &'a Document, field: &str) -> &'a str {
    document.get_str(field).unwrap_or_default()
}

#[must_use]
pub fn user(number: usize) -> String {
    format!("u{number}")
}

fn head(document: Document) -> Document {
    document.into_iter().filter(|(field, _)| AttemptHead::FIELDS.contains(&field.as_str())).collect()
}

#[async_trait]
impl AnswerSource for Documents {
    async fn quiz(&self, quiz_id: &str) -> Result<Option<QuizDocuments>, SourceError> {
        let question = |id: &str, correct: i32, subject: &str| {
            bson!({
                "_id": id, "type": "single-choice", "graded": true, "correct_answer": [correct],
                "options": [{"text": "0"}, {"text": "1"}], "metadata": {"subject": subject},
            })
        };
        let quiz = doc! {
            "_id": quiz_id, "title": format!("Test {quiz_id}"),
            "question_sets": [{
                "_id": "s", "title": "All", "max_questions_allowed_to_attempt": 2,
                "marking_scheme": {"correct": 4, "wrong": -1, "skipped": 0},
                "questions": [question("a", 0, "Physics"), question("b", 1, "Biology")],
            }],
            "metadata": {"quiz_type": "assessment", "test_format": "chapter_test"},
        };
        Ok(Some(QuizDocuments { quiz, ..QuizDocuments::default() }))
    }

    async fn attempt_heads<'a>(&'a self, quiz_id: &'a str) -> Result<DocumentStream<'a>, SourceError> {
        Ok(stream::iter(self.attempts_at(quiz_id).into_iter().map(|document| Ok(head(document)))).boxed())
    }

    async fn heads_of(&self, quiz_id: &str, user_ids: &[String]) -> Result<Vec<Document>, SourceError> {
        let is_theirs = |it: &Document| user_id(it).is_some_and(|user| user_ids.contains(&user));
        Ok(self.attempts_at(quiz_id).into_iter().filter(is_theirs).map(head).collect())
    }

    async fn attempts<'a>(
        &'a self,
        quiz_id: &'a str,
        keys: Vec<Bson>,
    ) -> Result<AttemptStream<'a>, SourceError> {
        let is_requested = |document: &Document| document.get("_id").is_some_and(|id| keys.contains(id));
        let mut batch = AttemptBatch::new(|raw| raw.try_into().unwrap());
        for document in self.attempts_at(quiz_id).into_iter().filter(is_requested) {
            batch.push(&RawDocumentBuf::try_from(&document).unwrap());
        }
        Ok(stream::iter([Ok(batch)]).boxed())
    }
}
