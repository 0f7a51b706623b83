//! Judges an answer where it is stored.

use super::walk::{Fields, Raw, Text, Unusual, Walked};
use crate::read::marking::MarkingScheme;
use crate::read::question::{Question, QuestionType};
use crate::read::value::Value;
use crate::score::scoring::{Judgement, Outcome, judge};

/// More options than that in an answer are unusual.
const MOST_OPTIONS: usize = 16;
/// Up to here each whole number is a double of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A question's key, ready to compare with stored answers.
#[derive(Debug)]
pub(super) enum Key {
    /// Whatever is answered, the outcome is that of no answer.
    Indifferent,
    /// Sorted.
    Options {
        key: Box<[i64]>,
        in_parts: bool,
    },
    /// Sorted, compared as bytes.
    Pairs(Box<[Vec<u8>]>),
    Number,
    Text,
    /// An answer is unusual.
    Unusual,
}

impl Key {
    pub fn of(question: &Question) -> Self {
        if question.force_correct || !question.graded {
            return Self::Indifferent;
        }
        let key = match (&question.kind, &question.key) {
            (QuestionType::SingleChoice, Value::List(key)) => options(key, false),
            (QuestionType::MultiChoice, Value::List(key)) => options(key, true),
            (QuestionType::MatrixMatch, Value::List(key)) => pairs(key),
            (QuestionType::NumericalInteger | QuestionType::NumericalFloat, _) => Some(Self::Number),
            (QuestionType::Subjective, _) => Some(Self::Text),
            _ => None,
        };
        key.unwrap_or(Self::Unusual)
    }

    /// As [`judge`] judges it; an answer whose shape its type does not have is unusual.
    #[inline]
    pub fn judge(&self, question: &Question, marking: &MarkingScheme, answer: Raw<'_>) -> Walked<Judgement> {
        match (self, answer) {
            (_, Raw::Null) => Ok(judge(question, marking, &Value::Null)),
            (Self::Indifferent, answer) => {
                answer.check()?;
                Ok(judge(question, marking, &Value::Null))
            }
            (Self::Options { key, in_parts }, Raw::List(answer)) => {
                let (mut given, count) = read_list(answer, whole)?;
                let given = given.get_mut(..count).ok_or(Unusual)?;
                Ok(compare(given, key, *in_parts, marking))
            }
            (Self::Pairs(key), Raw::List(answer)) => {
                let (mut given, count) = read_list(answer, bytes)?;
                let given = given.get_mut(..count).ok_or(Unusual)?;
                Ok(compare(given, key, true, marking))
            }
            (Self::Number, Raw::Int(answer)) => Ok(judge(question, marking, &Value::Int(answer))),
            (Self::Number, Raw::Float(answer)) => Ok(judge(question, marking, &Value::Float(answer))),
            (Self::Text, Raw::Text(text)) => {
                let outcome = if is_blank(text)? { Outcome::Wrong } else { Outcome::Correct };
                Ok(Judgement::of(outcome, marking, 0))
            }
            _ => Err(Unusual),
        }
    }
}

fn options(key: &[Value], in_parts: bool) -> Option<Key> {
    let option = |it: &Value| match it {
        Value::Int(option) => Some(*option),
        Value::Float(option) => exact(*option),
        _ => None,
    };
    let mut key: Vec<i64> = key.iter().map(option).collect::<Option<_>>()?;
    key.sort_unstable();
    (!key.is_empty()).then(|| Key::Options { key: key.into(), in_parts })
}

fn pairs(key: &[Value]) -> Option<Key> {
    let pair = |it: &Value| match it {
        Value::Text(pair) => Some(pair.clone().into_bytes()),
        _ => None,
    };
    let mut key: Vec<Vec<u8>> = key.iter().map(pair).collect::<Option<_>>()?;
    key.sort_unstable();
    (!key.is_empty()).then(|| Key::Pairs(key.into()))
}

#[inline]
fn read_list<'a, T: Copy + Default>(
    mut list: Fields<'a>,
    read: impl Fn(Raw<'a>) -> Option<T>,
) -> Walked<([T; MOST_OPTIONS], usize)> {
    let mut values = [T::default(); MOST_OPTIONS];
    let mut count = 0;
    while let Some((_, value)) = list.next()? {
        *values.get_mut(count).ok_or(Unusual)? = read(value).ok_or(Unusual)?;
        count += 1;
    }
    Ok((values, count))
}

fn compare<G: Ord, K>(given: &mut [G], key: &[K], in_parts: bool, marking: &MarkingScheme) -> Judgement
where
    K: PartialEq<G>,
{
    given.sort_unstable();
    let is_same = given.len() == key.len() && key.iter().zip(&*given).all(|(key, given)| key == given);
    let is_part = || !given.is_empty() && given.iter().all(|given| key.iter().any(|key| key == given));
    let outcome = if is_same {
        Outcome::Correct
    } else if in_parts && marking.partial.is_some() && is_part() {
        Outcome::PartiallyCorrect
    } else {
        Outcome::Wrong
    };
    Judgement::of(outcome, marking, given.len())
}

fn whole(value: Raw<'_>) -> Option<i64> {
    match value {
        Raw::Int(value) => Some(value),
        Raw::Float(value) => exact(value),
        _ => None,
    }
}

fn bytes(value: Raw<'_>) -> Option<&[u8]> {
    match value {
        Raw::Text(text) => Some(text.bytes()),
        _ => None,
    }
}

fn exact(value: f64) -> Option<i64> {
    let is_whole = value.fract() == 0.0 && value.abs() <= EXACT;
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within the range")]
    is_whole.then_some(value as i64)
}

fn is_blank(text: Text<'_>) -> Walked<bool> {
    Ok(crate::read::value::is_blank(text.as_str()?))
}
