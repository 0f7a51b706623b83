//! Judges an answer in its stored bytes.
//!
//! Most answers are a short list of options, a number or a text. [`RawKey`] prepares each question's key once, so that
//! such an answer is compared without an allocation. An answer of any other shape is [`Unusual`].

use super::walk::{Fields, Parsed, RawText, RawValue, Unusual};
use crate::read::marking::MarkingScheme;
use crate::read::question::{Question, QuestionType};
use crate::read::value::Value;
use crate::score::scoring::{Judgement, Outcome, judge};

/// An answer with more options is unusual.
const MAX_OPTIONS: usize = 16;
/// The largest magnitude up to which a double holds every whole number.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// A question's key, prepared for the comparison with stored answers.
#[derive(Debug)]
pub(super) enum RawKey {
    /// The outcome does not depend on the answer: the question is forced correct or ungraded.
    Indifferent,
    /// The options of a choice question, sorted.
    Options {
        key: Box<[i64]>,
        allows_partial: bool,
    },
    /// The pairs of a matrix-match question, sorted, compared as bytes.
    Pairs(Box<[Vec<u8>]>),
    Number,
    Text,
    /// Every answer is unusual.
    Unusual,
}

impl RawKey {
    pub fn new(question: &Question) -> Self {
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

    /// Gives the same judgement as [`judge`]. An answer that does not have the shape of the question's type is unusual.
    #[inline]
    pub fn judge(
        &self,
        question: &Question,
        marking: &MarkingScheme,
        answer: RawValue<'_>,
    ) -> Parsed<Judgement> {
        match (self, answer) {
            (_, RawValue::Null) => Ok(judge(question, marking, &Value::Null)),
            (Self::Indifferent, answer) => {
                answer.check()?;
                Ok(judge(question, marking, &Value::Null))
            }
            (Self::Options { key, allows_partial }, RawValue::List(answer)) => {
                let (mut given, count) = read_list(answer, whole)?;
                let given = given.get_mut(..count).ok_or(Unusual)?;
                Ok(compare(given, key, *allows_partial, marking))
            }
            (Self::Pairs(key), RawValue::List(answer)) => {
                let (mut given, count) = read_list(answer, bytes)?;
                let given = given.get_mut(..count).ok_or(Unusual)?;
                Ok(compare(given, key, true, marking))
            }
            (Self::Number, RawValue::Int(answer)) => Ok(judge(question, marking, &Value::Int(answer))),
            (Self::Number, RawValue::Float(answer)) => Ok(judge(question, marking, &Value::Float(answer))),
            (Self::Text, RawValue::Text(text)) => {
                let outcome = if is_blank(text)? { Outcome::Wrong } else { Outcome::Correct };
                Ok(Judgement::new(outcome, marking, 0))
            }
            _ => Err(Unusual),
        }
    }
}

fn options(key: &[Value], allows_partial: bool) -> Option<RawKey> {
    let option = |value: &Value| match value {
        Value::Int(option) => Some(*option),
        Value::Float(option) => exact(*option),
        _ => None,
    };
    let mut key: Vec<i64> = key.iter().map(option).collect::<Option<_>>()?;
    key.sort_unstable();
    (!key.is_empty()).then(|| RawKey::Options { key: key.into(), allows_partial })
}

fn pairs(key: &[Value]) -> Option<RawKey> {
    let pair = |value: &Value| match value {
        Value::Text(pair) => Some(pair.clone().into_bytes()),
        _ => None,
    };
    let mut key: Vec<Vec<u8>> = key.iter().map(pair).collect::<Option<_>>()?;
    key.sort_unstable();
    (!key.is_empty()).then(|| RawKey::Pairs(key.into()))
}

#[inline]
fn read_list<'a, T: Copy + Default>(
    mut list: Fields<'a>,
    read: impl Fn(RawValue<'a>) -> Option<T>,
) -> Parsed<([T; MAX_OPTIONS], usize)> {
    let mut values = [T::default(); MAX_OPTIONS];
    let mut count = 0;
    while let Some((_, value)) = list.next()? {
        *values.get_mut(count).ok_or(Unusual)? = read(value).ok_or(Unusual)?;
        count += 1;
    }
    Ok((values, count))
}

fn compare<G: Ord, K>(given: &mut [G], key: &[K], allows_partial: bool, marking: &MarkingScheme) -> Judgement
where
    K: PartialEq<G>,
{
    given.sort_unstable();
    let is_same = given.len() == key.len() && key.iter().zip(&*given).all(|(key, given)| key == given);
    let is_part = || !given.is_empty() && given.iter().all(|given| key.iter().any(|key| key == given));
    let outcome = if is_same {
        Outcome::Correct
    } else if allows_partial && marking.partial.is_some() && is_part() {
        Outcome::PartiallyCorrect
    } else {
        Outcome::Wrong
    };
    Judgement::new(outcome, marking, given.len())
}

fn whole(value: RawValue<'_>) -> Option<i64> {
    match value {
        RawValue::Int(value) => Some(value),
        RawValue::Float(value) => exact(value),
        _ => None,
    }
}

fn bytes(value: RawValue<'_>) -> Option<&[u8]> {
    match value {
        RawValue::Text(text) => Some(text.bytes()),
        _ => None,
    }
}

fn exact(value: f64) -> Option<i64> {
    let is_whole = value.fract() == 0.0 && value.abs() <= MAX_EXACT;
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within the range")]
    is_whole.then_some(value as i64)
}

fn is_blank(text: RawText<'_>) -> Parsed<bool> {
    Ok(crate::read::value::is_blank(text.as_str()?))
}
