//! Scores session documents as they are stored, in one pass and without an allocation for an answer.
//!
//! Only what nearly all documents look like is read here: each question's record at the question's own place,
//! each answer of the shape that its question's type has, every byte in order. Whatever else there may be is
//! [`Unusual`]: such a document is decoded, and [`crate::TestBuilder::take`] decides what it means. So the rules
//! for what is odd, and what is said about it, are in one place.

mod key;
mod record;
mod session;
mod walk;

use bson::RawDocument;
use key::Key;
use walk::{Fields, Raw, Unusual, Walked};

use crate::read::attempt::{AnswerRecord, Attempt};
use crate::read::quiz::{Quiz, QuizKind};
use crate::score::scoring::Judgement;

/// What the usual documents of a quiz are compared with.
#[derive(Debug)]
pub(crate) struct RawQuiz {
    /// In the order of the quiz.
    questions: Vec<RawQuestion>,
}

#[derive(Debug)]
struct RawQuestion {
    id: Box<[u8]>,
    /// The same id, where it can be one.
    object_id: Option<[u8; 12]>,
    set: usize,
    key: Key,
}

/// A usual document's answers, in the order of the quiz's questions. It is used again for the next document.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub judgements: Vec<Judgement>,
    /// Empty unless asked for.
    pub records: Vec<Option<AnswerRecord>>,
    has_answer: bool,
}

impl RawQuiz {
    /// `None` for a quiz whose documents are all unusual: a form, or one whose questions lack ids of their own.
    pub fn of(quiz: &Quiz) -> Option<Self> {
        if quiz.kind == QuizKind::Form {
            return None;
        }
        let questions = quiz.questions.iter().enumerate().map(|(position, question)| {
            let has_own_id = quiz.positions.get(&question.id) == Some(&position);
            let set = quiz.parts.get(question.part)?.set;
            let object_id = bson::oid::ObjectId::parse_str(&question.id).ok();
            let object_id = object_id.filter(|it| it.to_hex() == question.id).map(|it| it.bytes());
            let id = question.id.as_bytes().into();
            has_own_id.then(|| RawQuestion { id, object_id, set, key: Key::of(question) })
        });
        Some(Self { questions: questions.collect::<Option<_>>()? })
    }

    /// Reads a document of the quiz. The attempt comes with its records where they are asked for; `None` where
    /// the document is unusual, whatever `answers` then holds.
    pub fn read(
        &self,
        quiz: &Quiz,
        document: &RawDocument,
        answers: &mut Answers,
        wants_records: bool,
    ) -> Option<Attempt> {
        answers.judgements.clear();
        answers.records.clear();
        answers.has_answer = false;
        session::read(self, quiz, document, answers, wants_records).ok()
    }
}

impl RawQuestion {
    fn is_named(&self, id: Raw<'_>) -> bool {
        match id {
            Raw::Text(id) => id.bytes() == &*self.id,
            Raw::ObjectId(id) => self.object_id.as_ref() == Some(id),
            // matched by its place
            Raw::Null => true,
            _ => false,
        }
    }
}
