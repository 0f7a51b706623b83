//! Reads the records of a session document's answers.

use super::walk::Text;
use super::{Answers, Fields, Raw, RawQuestion, RawQuiz, Unusual, Walked};
use crate::read::attempt::AnswerRecord;
use crate::read::quiz::Quiz;
use crate::read::value::Value;

/// As many records as questions, each at its question's place.
pub(super) fn read_all(
    raw: &RawQuiz,
    quiz: &Quiz,
    mut list: Fields<'_>,
    answers: &mut Answers,
    wants_records: bool,
) -> Walked<()> {
    for (asked, question) in raw.questions.iter().zip(&quiz.questions) {
        let Some((_, Raw::Object(fields))) = list.next()? else { return Err(Unusual) };
        let marking = &quiz.sets.get(asked.set).ok_or(Unusual)?.marking;
        let answer = if wants_records {
            let (answer, record) = read_record(asked, fields)?;
            answers.records.push(Some(record));
            answer
        } else {
            read_answer(asked, fields)?
        };
        answers.judgements.push(asked.key.judge(question, marking, answer)?);
        answers.has_answer |= !matches!(answer, Raw::Null);
    }
    if list.is_empty() { Ok(()) } else { Err(Unusual) }
}

/// What was answered; the rest is only checked.
fn read_answer<'a>(asked: &RawQuestion, mut fields: Fields<'a>) -> Walked<Raw<'a>> {
    let (mut id, mut answer) = (None, None);
    while let Some((name, value)) = fields.next()? {
        match name {
            b"question_id" => once(&mut id, value)?,
            b"answer" => once(&mut answer, value)?,
            _ => value.check()?,
        }
    }
    if !asked.is_named(id.unwrap_or(Raw::Null)) {
        return Err(Unusual);
    }
    Ok(answer.unwrap_or(Raw::Null))
}

fn read_record<'a>(asked: &RawQuestion, mut fields: Fields<'a>) -> Walked<(Raw<'a>, AnswerRecord)> {
    let (mut id, mut answer, mut visited, mut marked, mut spent) = (None, None, None, None, None);
    while let Some((name, value)) = fields.next()? {
        match name {
            b"question_id" => once(&mut id, value)?,
            b"answer" => once(&mut answer, value)?,
            b"visited" => once(&mut visited, flag(value)?)?,
            b"marked_for_review" => once(&mut marked, flag(value)?)?,
            b"time_spent" => once(&mut spent, value)?,
            _ => value.check()?,
        }
    }
    if !asked.is_named(id.unwrap_or(Raw::Null)) {
        return Err(Unusual);
    }
    let answer = answer.unwrap_or(Raw::Null);
    let record = AnswerRecord {
        answer: value(answer)?,
        visited: visited.unwrap_or(false),
        time_spent: number(spent.unwrap_or(Raw::Null))?,
        marked_for_review: marked.unwrap_or(false),
    };
    Ok((answer, record))
}

/// A second field of the same name is unusual.
#[inline]
pub(super) fn once<T>(field: &mut Option<T>, value: T) -> Walked<()> {
    if field.replace(value).is_none() { Ok(()) } else { Err(Unusual) }
}

pub(super) fn flag(value: Raw<'_>) -> Walked<bool> {
    match value {
        Raw::Bool(value) => Ok(value),
        Raw::Null => Ok(false),
        _ => Err(Unusual),
    }
}

/// A finite number, or nothing.
#[expect(clippy::cast_precision_loss, reason = "as the plain path reads it: seconds are far below 2^53")]
pub(super) fn number(value: Raw<'_>) -> Walked<Option<f64>> {
    match value {
        Raw::Null => Ok(None),
        Raw::Int(value) => Ok(Some(value as f64)),
        Raw::Float(value) if value.is_finite() => Ok(Some(value)),
        _ => Err(Unusual),
    }
}

/// A number, a text, or a list of them.
fn value(raw: Raw<'_>) -> Walked<Value> {
    if let Raw::List(mut list) = raw {
        let mut values = Vec::new();
        while let Some((_, value)) = list.next()? {
            values.push(scalar(value)?);
        }
        return Ok(Value::List(values));
    }
    scalar(raw)
}

fn scalar(raw: Raw<'_>) -> Walked<Value> {
    match raw {
        Raw::Null => Ok(Value::Null),
        Raw::Bool(value) => Ok(Value::Bool(value)),
        Raw::Int(value) => Ok(Value::Int(value)),
        Raw::Float(value) => Ok(Value::Float(value)),
        Raw::Text(text) => Ok(Value::Text(Text::as_str(text)?.to_owned())),
        _ => Err(Unusual),
    }
}
