//! Scores session documents from their stored bytes, in one pass and without an allocation for each answer.
//!
//! Decoding a document costs more than scoring it, and nearly all documents have the same shape. This module reads only
//! that shape: the record of each question is at the position of the question. Each answer has the shape of its question's
//! type.
//!
//! Invariants:
//!
//! - Every byte is checked. Bytes that cannot be decoded are never accepted.
//! - Any other document is [`Unusual`]. The caller then decodes it and calls [`crate::SessionScorer::take`], so the rules
//!   for odd documents exist in one place only.
//! - A usual document gives the same result as [`crate::SessionScorer::take`]. A property test compares both.

mod key;
mod record;
mod session;
mod walk;

use bson::RawDocument;
use key::RawKey;
use walk::{Fields, Parsed, RawValue, Unusual};

use crate::read::attempt::{AnswerRecord, Attempt};
use crate::read::quiz::{Quiz, QuizKind};
use crate::score::scoring::Judgement;

/// A quiz, prepared for reading stored documents.
#[derive(Debug)]
pub(crate) struct RawQuiz {
    /// The questions in the order of the quiz.
    questions: Vec<RawQuestion>,
}

#[derive(Debug)]
struct RawQuestion {
    id: Box<[u8]>,
    /// The same id as an `ObjectId`, where its text is one.
    object_id: Option<[u8; 12]>,
    set: usize,
    key: RawKey,
}

/// The answers of one usual document, in the order of the quiz's questions. The caller reuses it for the next document.
#[derive(Debug, Default)]
pub(crate) struct RawAnswers {
    pub judgements: Vec<Judgement>,
    /// Empty unless the caller wants records.
    pub records: Vec<Option<AnswerRecord>>,
    has_answer: bool,
}

impl RawQuiz {
    /// `None` where every document is unusual: the quiz is a form, or its questions do not each have their own id.
    pub fn new(quiz: &Quiz) -> Option<Self> {
        if quiz.kind == QuizKind::Form {
            return None;
        }
        let questions = quiz.questions.iter().enumerate().map(|(position, question)| {
            let has_own_id = quiz.positions.get(&question.id) == Some(&position);
            let set = quiz.parts.get(question.part)?.set;
            let object_id = bson::oid::ObjectId::parse_str(&question.id).ok();
            let object_id = object_id.filter(|id| id.to_hex() == question.id).map(|id| id.bytes());
            let id = question.id.as_bytes().into();
            has_own_id.then(|| RawQuestion { id, object_id, set, key: RawKey::new(question) })
        });
        Some(Self { questions: questions.collect::<Option<_>>()? })
    }

    /// Reads a document of the quiz, with the answer records where `include_records` is set. `None` where the document
    /// is unusual: `answers` is then undefined.
    pub fn read(
        &self,
        quiz: &Quiz,
        document: &RawDocument,
        answers: &mut RawAnswers,
        include_records: bool,
    ) -> Option<Attempt> {
        answers.judgements.clear();
        answers.records.clear();
        answers.has_answer = false;
        session::read(self, quiz, document, answers, include_records).ok()
    }
}

impl RawQuestion {
    fn is_named(&self, id: RawValue<'_>) -> bool {
        match id {
            RawValue::Text(id) => id.bytes() == &*self.id,
            RawValue::ObjectId(id) => self.object_id.as_ref() == Some(id),
            // a record without an id belongs to the question at its position
            RawValue::Null => true,
            _ => false,
        }
    }
}
