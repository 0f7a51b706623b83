//! Judges one answer by the rules of the Quiz Engine's backend (its `services/scoring.py`).
//!
//! Students see the backend's marks first, so these rules give the same outcome and marks for every document that the
//! backend accepts. A suite of random documents holds both to each other. A partial mark is decided here too: see
//! [`judge`] and [`MarkingScheme::partial_marks`].

use crate::read::marking::MarkingScheme;
use crate::read::question::{Question, QuestionType};
use crate::read::value::{Value, is_blank};

/// How close a numerical-float answer must be to its key: `|answer − key| < 0.05`.
const TOLERANCE: f64 = 0.05;

/// The outcome of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Correct,
    PartiallyCorrect,
    Wrong,
    Skipped,
    Ungraded,
}

impl Outcome {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Correct => "correct",
            Self::PartiallyCorrect => "partially_correct",
            Self::Wrong => "wrong",
            Self::Skipped => "skipped",
            Self::Ungraded => "ungraded",
        }
    }
}

/// An outcome and its marks. A skipped question has 0 marks here: its set decides the marks, because the set's limit
/// decides how many questions count as skipped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    pub outcome: Outcome,
    pub marks: f64,
}

impl Judgement {
    /// Gives an outcome its marks. `selected` is the number of options in a partially correct answer.
    pub(crate) fn new(outcome: Outcome, marking: &MarkingScheme, selected: usize) -> Self {
        let marks = match outcome {
            Outcome::Correct => marking.correct,
            Outcome::Wrong => marking.wrong,
            Outcome::PartiallyCorrect => marking.partial_marks(selected),
            Outcome::Skipped | Outcome::Ungraded => 0.0,
        };
        Self { outcome, marks }
    }
}

/// Judges one answer. See the crate's example.
#[must_use]
pub fn judge(question: &Question, marking: &MarkingScheme, answer: &Value) -> Judgement {
    let selected = if let Value::List(options) = answer { options.len() } else { 0 };
    Judgement::new(outcome(question, marking, answer), marking, selected)
}

fn outcome(question: &Question, marking: &MarkingScheme, answer: &Value) -> Outcome {
    use QuestionType as Type;

    if question.force_correct {
        return Outcome::Correct;
    }
    if !question.graded {
        return Outcome::Ungraded;
    }
    if answer.is_null() {
        return Outcome::Skipped;
    }
    let key = &question.key;
    // the question's type, with the answer as a bare number where it is one
    let correct = match (&question.kind, answer.as_number()) {
        (Type::SingleChoice | Type::MultiChoice | Type::MatrixMatch, Some(_))
        | (Type::NumericalInteger | Type::NumericalFloat | Type::Unknown(_), None) => false,
        (Type::NumericalInteger, Some(_)) => answer.equal(key),
        (Type::NumericalFloat, Some(answer)) => {
            key.as_number().is_some_and(|key| (answer - key).abs() < TOLERANCE)
        }
        (_, Some(_)) => return Outcome::Skipped,
        (Type::SingleChoice | Type::MatrixRating | Type::MatrixNumerical, None) => answer.matches_key(key),
        (Type::MultiChoice | Type::MatrixMatch, None) => {
            let correct = answer.matches_key(key);
            if !correct && marking.partial.is_some() && is_part_of(answer, key) {
                return Outcome::PartiallyCorrect;
            }
            correct
        }
        (Type::MatrixSubjective, None) => match answer {
            Value::Map(rows) => rows.values().any(has_text),
            _ => false,
        },
        (Type::Subjective, None) => has_text(answer),
    };
    if correct { Outcome::Correct } else { Outcome::Wrong }
}

fn has_text(value: &Value) -> bool {
    matches!(value, Value::Text(text) if !is_blank(text))
}

fn is_part_of(answer: &Value, key: &Value) -> bool {
    match (answer, key) {
        (Value::List(answer), Value::List(key)) => {
            !answer.is_empty() && answer.iter().all(|option| key.iter().any(|correct| correct.equal(option)))
        }
        _ => false,
    }
}

/// Whether an answer to a form's question counts as given: a non-blank text, a non-empty list or object, or any number.
#[must_use]
pub fn is_answered(answer: &Value) -> bool {
    match answer {
        Value::Null | Value::Other(_) => false,
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => true,
        Value::Text(text) => !is_blank(text),
        Value::List(values) => !values.is_empty(),
        Value::Map(rows) => !rows.is_empty(),
    }
}
