//! Reads a session document of the usual shape, field by field.

use bson::RawDocument;
use jiff::Timestamp;

use super::record::{self, flag, number, once};
use super::{Fields, Parsed, RawAnswers, RawQuiz, RawValue, Unusual};
use crate::read::attempt::Attempt;
use crate::read::quiz::Quiz;
use crate::read::time;

const START: &[u8] = b"start-quiz";

/// The fields of an attempt, except its answers.
#[derive(Default)]
struct SessionFields<'a> {
    id: Option<RawValue<'a>>,
    user_id: Option<RawValue<'a>>,
    quiz_id: Option<RawValue<'a>>,
    ended: Option<bool>,
    start: Option<StartEvent>,
    has_events: Option<()>,
    start_time: Option<RawValue<'a>>,
    created: Option<RawValue<'a>>,
    updated: Option<RawValue<'a>>,
    total_time_spent: Option<RawValue<'a>>,
    has_answers: Option<()>,
}

/// The first start-quiz event.
struct StartEvent {
    /// `None` where the event has no readable time.
    at: Option<Timestamp>,
}

pub(super) fn read(
    raw: &RawQuiz,
    quiz: &Quiz,
    document: &RawDocument,
    answers: &mut RawAnswers,
    include_records: bool,
) -> Parsed<Attempt> {
    let mut fields = Fields::parse(document.as_bytes())?;
    let mut head = SessionFields::default();
    while let Some((name, value)) = fields.next()? {
        match (name, value) {
            (b"session_answers", RawValue::List(list)) => {
                once(&mut head.has_answers, ())?;
                record::read_all(raw, quiz, list, answers, include_records)?;
            }
            (b"events", RawValue::List(events)) => {
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
    head.into_attempt(quiz, answers)
}

impl SessionFields<'_> {
    fn into_attempt(self, quiz: &Quiz, answers: &mut RawAnswers) -> Parsed<Attempt> {
        let has_start_event = self.start.is_some();
        let names_quiz = id(self.quiz_id)? == quiz.id;
        if !names_quiz || self.has_answers.is_none() || !(has_start_event || answers.has_answer) {
            return Err(Unusual);
        }
        let document_id = id(self.id)?;
        let mut started = self.start.and_then(|start| start.at);
        for field in [self.start_time, self.created].into_iter().flatten() {
            if started.is_none() {
                started = time(field)?;
            }
        }
        Ok(Attempt {
            user_id: id(self.user_id)?,
            ended: self.ended.unwrap_or(false),
            started: started.or_else(|| time::id_time(&document_id)),
            updated_at: time(self.updated.unwrap_or(RawValue::Null))?,
            total_time_spent: number(self.total_time_spent.unwrap_or(RawValue::Null))?,
            answers: std::mem::take(&mut answers.records),
            has_start_event,
            has_answer: answers.has_answer,
            id: document_id,
        })
    }
}

/// A text that is not empty, or an `ObjectId`.
fn id(value: Option<RawValue<'_>>) -> Parsed<String> {
    match value {
        Some(RawValue::Text(id)) if !id.bytes().is_empty() => Ok(id.as_str()?.to_owned()),
        Some(RawValue::ObjectId(id)) => Ok(bson::oid::ObjectId::from_bytes(*id).to_hex()),
        _ => Err(Unusual),
    }
}

/// Finds the first start-quiz event. Every event must have a text as its type.
fn read_start(mut events: Fields<'_>) -> Parsed<Option<StartEvent>> {
    let mut start = None;
    while let Some((_, event)) = events.next()? {
        let RawValue::Object(mut fields) = event else { return Err(Unusual) };
        let (mut kind, mut created) = (None, None);
        while let Some((name, value)) = fields.next()? {
            match name {
                b"event_type" => once(&mut kind, value)?,
                b"created_at" => once(&mut created, checked(value)?)?,
                _ => value.check()?,
            }
        }
        match kind {
            Some(RawValue::Text(kind)) if start.is_none() && kind.bytes() == START => {
                start = Some(StartEvent { at: time(created.unwrap_or(RawValue::Null))? });
            }
            Some(RawValue::Text(_)) => {}
            _ => return Err(Unusual),
        }
    }
    Ok(start)
}

fn checked(value: RawValue<'_>) -> Parsed<RawValue<'_>> {
    value.check().map(|()| value)
}

fn time(value: RawValue<'_>) -> Parsed<Option<Timestamp>> {
    match value {
        RawValue::Null => Ok(None),
        RawValue::Text(text) => Ok(time::parse_utc(text.as_str()?)),
        RawValue::Date(since_1970) => Ok(time::from_millisecond(since_1970)),
        _ => Err(Unusual),
    }
}
