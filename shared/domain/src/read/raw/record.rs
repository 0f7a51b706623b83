//! Reads the answer records of a session document.

use super::{Fields, Parsed, RawAnswers, RawQuestion, RawQuiz, RawValue, Unusual};
use crate::read::attempt::AnswerRecord;
use crate::read::quiz::Quiz;
use crate::read::value::Value;

/// Reads and judges all records. There must be one record for each question, at the position of the question.
pub(super) fn read_all(
    raw: &RawQuiz,
    quiz: &Quiz,
    mut list: Fields<'_>,
    answers: &mut RawAnswers,
    include_records: bool,
) -> Parsed<()> {
    for (raw_question, question) in raw.questions.iter().zip(&quiz.questions) {
        let Some((_, RawValue::Object(fields))) = list.next()? else { return Err(Unusual) };
        let marking = &quiz.sets.get(raw_question.set).ok_or(Unusual)?.marking;
        let answer = if include_records {
            let (answer, record) = read_record(raw_question, fields)?;
            answers.records.push(Some(record));
            answer
        } else {
            read_answer(raw_question, fields)?
        };
        answers.judgements.push(raw_question.key.judge(question, marking, answer)?);
        answers.has_answer |= !matches!(answer, RawValue::Null);
    }
    if list.is_empty() { Ok(()) } else { Err(Unusual) }
}

/// Reads the answer, and only checks the other fields.
fn read_answer<'a>(raw_question: &RawQuestion, mut fields: Fields<'a>) -> Parsed<RawValue<'a>> {
    let (mut id, mut answer) = (None, None);
    while let Some((name, value)) = fields.next()? {
        match name {
            b"question_id" => once(&mut id, value)?,
            b"answer" => once(&mut answer, value)?,
            _ => value.check()?,
        }
    }
    if !raw_question.is_named(id.unwrap_or(RawValue::Null)) {
        return Err(Unusual);
    }
    Ok(answer.unwrap_or(RawValue::Null))
}

/// Reads the answer and the whole record.
fn read_record<'a>(
    raw_question: &RawQuestion,
    mut fields: Fields<'a>,
) -> Parsed<(RawValue<'a>, AnswerRecord)> {
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
    if !raw_question.is_named(id.unwrap_or(RawValue::Null)) {
        return Err(Unusual);
    }
    let answer = answer.unwrap_or(RawValue::Null);
    let record = AnswerRecord {
        answer: value(answer)?,
        visited: visited.unwrap_or(false),
        time_spent: number(spent.unwrap_or(RawValue::Null))?,
        marked_for_review: marked.unwrap_or(false),
    };
    Ok((answer, record))
}

/// Sets a field. A second field of the same name is unusual.
#[inline]
pub(super) fn once<T>(field: &mut Option<T>, value: T) -> Parsed<()> {
    if field.replace(value).is_none() { Ok(()) } else { Err(Unusual) }
}

pub(super) fn flag(value: RawValue<'_>) -> Parsed<bool> {
    match value {
        RawValue::Bool(value) => Ok(value),
        RawValue::Null => Ok(false),
        _ => Err(Unusual),
    }
}

/// A finite number; `None` for null.
#[expect(clippy::cast_precision_loss, reason = "as the decoding path reads it: seconds are far below 2^53")]
pub(super) fn number(value: RawValue<'_>) -> Parsed<Option<f64>> {
    match value {
        RawValue::Null => Ok(None),
        RawValue::Int(value) => Ok(Some(value as f64)),
        RawValue::Float(value) if value.is_finite() => Ok(Some(value)),
        _ => Err(Unusual),
    }
}

/// A scalar, or a list of scalars.
fn value(raw: RawValue<'_>) -> Parsed<Value> {
    if let RawValue::List(mut list) = raw {
        let mut values = Vec::new();
        while let Some((_, value)) = list.next()? {
            values.push(scalar(value)?);
        }
        return Ok(Value::List(values));
    }
    scalar(raw)
}

fn scalar(raw: RawValue<'_>) -> Parsed<Value> {
    match raw {
        RawValue::Null => Ok(Value::Null),
        RawValue::Bool(value) => Ok(Value::Bool(value)),
        RawValue::Int(value) => Ok(Value::Int(value)),
        RawValue::Float(value) => Ok(Value::Float(value)),
        RawValue::Text(text) => Ok(Value::Text(text.as_str()?.to_owned())),
        _ => Err(Unusual),
    }
}
