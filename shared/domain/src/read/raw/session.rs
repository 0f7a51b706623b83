//! Reads a session document of the usual shape.

use bson::RawDocument;
use jiff::Timestamp;

use super::record::{self, flag, number, once};
use super::{Answers, Fields, Raw, RawQuiz, Unusual, Walked};
use crate::read::attempt::Attempt;
use crate::read::quiz::Quiz;
use crate::read::time;

const START: &[u8] = b"start-quiz";

/// The fields that an attempt is read from, beside its answers.
#[derive(Default)]
struct Head<'a> {
    id: Option<Raw<'a>>,
    user_id: Option<Raw<'a>>,
    quiz_id: Option<Raw<'a>>,
    ended: Option<bool>,
    start: Option<Start>,
    has_events: Option<()>,
    start_time: Option<Raw<'a>>,
    created: Option<Raw<'a>>,
    updated: Option<Raw<'a>>,
    total_time_spent: Option<Raw<'a>>,
    has_answers: Option<()>,
}

/// A start-quiz event.
struct Start {
    /// As far as it says.
    at: Option<Timestamp>,
}

pub(super) fn read(
    raw: &RawQuiz,
    quiz: &Quiz,
    document: &RawDocument,
    answers: &mut Answers,
    wants_records: bool,
) -> Walked<Attempt> {
    let mut fields = Fields::of(document.as_bytes())?;
    let mut head = Head::default();
    while let Some((name, value)) = fields.next()? {
        match (name, value) {
            (b"session_answers", Raw::List(list)) => {
                once(&mut head.has_answers, ())?;
                record::read_all(raw, quiz, list, answers, wants_records)?;
            }
            (b"events", Raw::List(events)) => {
                once(&mut head.has_events, ())?;
                head.start = read_start(events)?;
            }
            (b"session_answers" | b"events", _) => return Err(Unusual),
            (b"_id", id) => once(&mut head.id, id)?,
            (b"user_id", id) => once(&mut head.user_id, id)?,
            (b"quiz_id", id) => once(&mut head.quiz_id, id)?,
            (b"has_quiz_ended", ended) => once(&mut head.ended, flag(ended)?)?,
            (b"start_quiz_time", time) => once(&mut head.start_time, checked(time)?)?,
            (b"created_at", time) => once(&mut head.created, checked(time)?)?,
            (b"updated_at", time) => once(&mut head.updated, checked(time)?)?,
            (b"total_time_spent", seconds) => once(&mut head.total_time_spent, checked(seconds)?)?,
            (_, value) => value.check()?,
        }
    }
    head.attempt(quiz, answers)
}

impl Head<'_> {
    fn attempt(self, quiz: &Quiz, answers: &mut Answers) -> Walked<Attempt> {
        let has_start_event = self.start.is_some();
        let is_of_quiz = id(self.quiz_id)? == quiz.id;
        if !is_of_quiz || self.has_answers.is_none() || !(has_start_event || answers.has_answer) {
            return Err(Unusual);
        }
        let id_of_document = id(self.id)?;
        let mut started = self.start.and_then(|start| start.at);
        for known in [self.start_time, self.created].into_iter().flatten() {
            if started.is_none() {
                started = time(known)?;
            }
        }
        Ok(Attempt {
            user_id: id(self.user_id)?,
            ended: self.ended.unwrap_or(false),
            started: started.or_else(|| time::of_id(&id_of_document)),
            updated_at: time(self.updated.unwrap_or(Raw::Null))?,
            total_time_spent: number(self.total_time_spent.unwrap_or(Raw::Null))?,
            answers: std::mem::take(&mut answers.records),
            has_start_event,
            has_answer: answers.has_answer,
            id: id_of_document,
        })
    }
}

/// A text that is not empty, or an `ObjectId`.
fn id(value: Option<Raw<'_>>) -> Walked<String> {
    match value {
        Some(Raw::Text(id)) if !id.bytes().is_empty() => Ok(id.as_str()?.to_owned()),
        Some(Raw::ObjectId(id)) => Ok(bson::oid::ObjectId::from_bytes(*id).to_hex()),
        _ => Err(Unusual),
    }
}

/// The first of these events.
fn read_start(mut events: Fields<'_>) -> Walked<Option<Start>> {
    let mut start = None;
    while let Some((_, event)) = events.next()? {
        let Raw::Object(mut fields) = event else { return Err(Unusual) };
        let (mut kind, mut created) = (None, None);
        while let Some((name, value)) = fields.next()? {
            match name {
                b"event_type" => once(&mut kind, value)?,
                b"created_at" => once(&mut created, checked(value)?)?,
                _ => value.check()?,
            }
        }
        match kind {
            Some(Raw::Text(kind)) if start.is_none() && kind.bytes() == START => {
                start = Some(Start { at: time(created.unwrap_or(Raw::Null))? });
            }
            Some(Raw::Text(_)) => {}
            _ => return Err(Unusual),
        }
    }
    Ok(start)
}

fn checked(value: Raw<'_>) -> Walked<Raw<'_>> {
    value.check().map(|()| value)
}

fn time(value: Raw<'_>) -> Walked<Option<Timestamp>> {
    match value {
        Raw::Null => Ok(None),
        Raw::Text(text) => Ok(time::of_utc_text(text.as_str()?)),
        Raw::Date(since_1970) => Ok(time::of_millisecond(since_1970)),
        _ => Err(Unusual),
    }
}
