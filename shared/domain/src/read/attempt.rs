//! Reads a document of `sessions`: one attempt of one student.
//!
//! A document holds one answer record for each question. Records normally name their question, but old documents do not,
//! and a quiz can change after an attempt. So a record is matched by `question_id` first, and by its position second.
//! A record that matches neither is counted as a problem and left out.

use bson::oid::ObjectId;
use bson::{Bson, Document};
use jiff::Timestamp;

use crate::problem::{ProblemKind, Problems};
use crate::read::fields;
use crate::read::quiz::Quiz;
use crate::read::stored::unreadable_cause;
use crate::read::time;
use crate::read::value::Value;

/// The fields of a session document that decide which attempt of a user counts.
#[derive(Clone, Debug)]
pub struct AttemptHead {
    pub id: String,
    pub(crate) is_object_id: bool,
    pub user_id: String,
    pub ended: bool,
    /// When the document was last written, by the backend's clock.
    pub updated_at: Option<Timestamp>,
}

impl AttemptHead {
    /// The fields of a session document that [`AttemptHead::read`] reads.
    pub const FIELDS: [&'static str; 4] = ["_id", "user_id", "has_quiz_ended", "updated_at"];

    /// Reads the head of a document. `None`, with a problem, where the document cannot be decoded, or has no usable `_id`
    /// or `user_id`.
    pub fn read(document: &Document, problems: &mut Problems) -> Option<Self> {
        let id = fields::id(document, "_id");
        let shown = id.as_deref().unwrap_or("without id");
        if let Some(why) = unreadable_cause(document) {
            let example = format!("session document {shown} cannot be read: {why}");
            problems.add(ProblemKind::AttemptUnreadable, example);
            return None;
        }
        let Some(user_id) = user_id(document) else {
            let example = format!("session document {shown} has no user_id");
            problems.add(ProblemKind::AttemptUnreadable, example);
            return None;
        };
        let Some(id) = id else {
            let example = format!("a session document of user {user_id} has no usable _id");
            problems.add(ProblemKind::AttemptUnreadable, example);
            return None;
        };
        Some(Self {
            id,
            is_object_id: matches!(document.get("_id"), Some(Bson::ObjectId(_))),
            user_id,
            ended: fields::flag(document, "has_quiz_ended", false),
            updated_at: document.get("updated_at").and_then(time::read_utc_time),
        })
    }

    /// Orders the states of one document: the greater state is newer. An attempt ends once, and each write moves its time.
    #[must_use]
    pub fn state(&self) -> (bool, Option<Timestamp>) {
        (self.ended, self.updated_at)
    }

    /// The `_id` with its stored BSON type, for a query.
    #[must_use]
    pub fn stored_id(&self) -> Bson {
        let object_id = self.is_object_id.then(|| ObjectId::parse_str(&self.id).ok()).flatten();
        object_id.map_or_else(|| Bson::String(self.id.clone()), Bson::ObjectId)
    }
}

/// The user id of a session document: a text, an `ObjectId` or a whole number. `None` where there is none.
#[must_use]
pub fn user_id(document: &Document) -> Option<String> {
    match document.get("user_id")? {
        Bson::String(_) | Bson::ObjectId(_) => fields::id(document, "user_id"),
        _ => fields::text(document, "user_id"),
    }
}

/// The answer record of one question in an attempt.
#[derive(Clone, Debug, Default)]
pub struct AnswerRecord {
    pub answer: Value,
    pub visited: bool,
    /// Seconds.
    pub time_spent: Option<f64>,
    pub marked_for_review: bool,
}

/// One student's attempt, with its answers in the order of the quiz's questions.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub id: String,
    pub user_id: String,
    pub ended: bool,
    pub started: Option<Timestamp>,
    /// When the document was last written, by the backend's clock.
    pub updated_at: Option<Timestamp>,
    /// Seconds.
    pub total_time_spent: Option<f64>,
    /// `None` where the attempt has no record of the question.
    pub answers: Vec<Option<AnswerRecord>>,
    pub(crate) has_start_event: bool,
    pub(crate) has_answer: bool,
}

impl Attempt {
    /// Reads a document of `sessions`. `None`, with a problem, where the document is no attempt at this quiz. A defect in a
    /// single answer only adds a problem.
    pub fn read(document: &Document, quiz: &Quiz, problems: &mut Problems) -> Option<Self> {
        let head = AttemptHead::read(document, problems)?;
        // check that the document belongs to this quiz
        let quiz_id = fields::id(document, "quiz_id");
        if quiz_id.as_ref() != Some(&quiz.id) {
            let named = quiz_id.unwrap_or_else(|| "none".into());
            let example = format!("session document {} names quiz {named}", head.id);
            problems.add(ProblemKind::AttemptOfAnotherQuiz, example);
            return None;
        }
        // match the answers to the questions
        let records = match document.get("session_answers") {
            Some(Bson::Array(records)) => records.as_slice(),
            None | Some(Bson::Null) => &[],
            Some(_) => {
                let example = format!("session document {}: session_answers is not a list", head.id);
                problems.add(ProblemKind::AttemptUnreadable, example);
                return None;
            }
        };
        let answers = match_answers(records, quiz, &head.id, problems);
        // find the start: the start-quiz event, else the document's own times, else the time in its id
        let events = document.get_array("events").map(Vec::as_slice).unwrap_or_default();
        let start_event = events
            .iter()
            .filter_map(Bson::as_document)
            .find(|event| event.get_str("event_type").ok() == Some("start-quiz"));
        let started = start_event
            .and_then(|event| time::read_utc_time(event.get("created_at")?))
            .or_else(|| time::read_utc_time(document.get("start_quiz_time")?))
            .or_else(|| time::read_utc_time(document.get("created_at")?))
            .or_else(|| time::id_time(&head.id));
        Some(Self {
            ended: head.ended,
            started,
            updated_at: head.updated_at,
            total_time_spent: fields::number(document, "total_time_spent"),
            answers,
            has_start_event: start_event.is_some(),
            has_answer: records.iter().any(has_answer),
            user_id: head.user_id,
            id: head.id,
        })
    }

    /// Whether the document is an attempt: it has a start-quiz event or an answer.
    #[must_use]
    pub fn is_attempt(&self) -> bool {
        self.has_start_event || self.has_answer
    }

    /// Adds a problem for each answer that does not have the shape of its question's type.
    pub(crate) fn check_shapes(&self, quiz: &Quiz, problems: &mut Problems) {
        for (question, record) in quiz.questions.iter().zip(&self.answers) {
            let Some(record) = record else { continue };
            if question.graded && !question.force_correct && !question.kind.fits(&record.answer) {
                let (kind, given) = (question.kind.name(), record.answer.kind());
                let example =
                    format!("session document {}, question {}: {given} for {kind}", self.id, question.id);
                problems.add(ProblemKind::AnswerOfWrongShape, example);
            }
        }
    }
}

/// Puts the stored records into the order of the quiz: by `question_id`, else by position. Adds a problem for each record
/// that matches neither, and for missing records.
fn match_answers(
    records: &[Bson],
    quiz: &Quiz,
    attempt: &str,
    problems: &mut Problems,
) -> Vec<Option<AnswerRecord>> {
    // first pass: place each record that names a known question
    let mut slots: Vec<Option<&Document>> = vec![None; quiz.questions.len()];
    let mut by_position = Vec::new();
    for (at, record) in records.iter().enumerate() {
        let Some(record) = record.as_document() else {
            let example = format!("session document {attempt}: session_answers[{at}] is not an object");
            problems.add(ProblemKind::AnswerUnmatched, example);
            continue;
        };
        let id = fields::id(record, "question_id");
        let position = id.as_ref().and_then(|id| quiz.positions.get(id)).copied();
        match position.and_then(|position| slots.get_mut(position)) {
            Some(slot) if slot.is_none() => *slot = Some(record),
            taken => by_position.push((at, record, taken.is_some().then_some(id).flatten())),
        }
    }
    // second pass: place the others by their position, unless they name another question
    for (at, record, known_id) in by_position {
        let same_question =
            known_id.is_none_or(|id| quiz.questions.get(at).is_some_and(|question| question.id == id));
        match slots.get_mut(at) {
            Some(slot) if slot.is_none() && same_question => *slot = Some(record),
            _ => {
                let example =
                    format!("session document {attempt}: session_answers[{at}] matches no question");
                problems.add(ProblemKind::AnswerUnmatched, example);
            }
        }
    }
    // report questions without a record
    let missing = slots.iter().filter(|slot| slot.is_none()).count();
    if missing > 0 {
        let example = format!(
            "session document {attempt} has records of {} of {} questions",
            slots.len() - missing,
            slots.len()
        );
        problems.add(ProblemKind::AnswersMissing, example);
    }
    slots.into_iter().map(|slot| slot.map(read_record)).collect()
}

fn has_answer(record: &Bson) -> bool {
    record
        .as_document()
        .is_some_and(|fields| fields.get("answer").is_some_and(|answer| *answer != Bson::Null))
}

fn read_record(record: &Document) -> AnswerRecord {
    AnswerRecord {
        answer: Value::read(record.get("answer")),
        visited: fields::flag(record, "visited", false),
        time_spent: fields::number(record, "time_spent"),
        marked_for_review: fields::flag(record, "marked_for_review", false),
    }
}
