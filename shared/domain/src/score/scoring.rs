use crate::read::marking::MarkingScheme;
use crate::read::question::{Question, QuestionType};
use crate::read::value::{Value, is_blank};

/// How close a numerical-float answer must be to its key: `|answer − key| < 0.05`.
const TOLERANCE: f64 = 0.05;

/// What one answer to one question comes to.
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

/// An outcome with the marks that it gives by itself. A skipped question's marks are the set's to
/// give, since how many are skipped depends on the set's limit: they are 0 here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    pub outcome: Outcome,
    pub marks: f64,
}

impl Judgement {
    /// `selected` is how many options an answer has that is partly correct.
    pub(crate) fn of(outcome: Outcome, marking: &MarkingScheme, selected: usize) -> Self {
        let marks = match outcome {
            Outcome::Correct => marking.correct,
            Outcome::Wrong => marking.wrong,
            Outcome::PartiallyCorrect => marking.partial_marks(selected),
            Outcome::Skipped | Outcome::Ungraded => 0.0,
        };
        Self { outcome, marks }
    }
}

/// Scores one answer by the rules of the Quiz Engine's backend (its `services/scoring.py`).
#[must_use]
pub fn judge(question: &Question, marking: &MarkingScheme, answer: &Value) -> Judgement {
    let selected = if let Value::List(options) = answer { options.len() } else { 0 };
    Judgement::of(outcome(question, marking, answer), marking, selected)
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
    let correct = match (&question.kind, answer.as_number()) {
        (Type::SingleChoice | Type::MultiChoice | Type::MatrixMatch, Some(_))
        | (Type::NumericalInteger | Type::NumericalFloat | Type::Unknown(_), None) => false,
        (Type::NumericalInteger, Some(_)) => answer.equal(key),
        (Type::NumericalFloat, Some(answer)) => {
            key.as_number().is_some_and(|key| (answer - key).abs() < TOLERANCE)
        }
        (_, Some(_)) => return Outcome::Skipped,
        (Type::SingleChoice | Type::MatrixRating | Type::MatrixNumerical, None) => answer.same_answer(key),
        (Type::MultiChoice | Type::MatrixMatch, None) => {
            let correct = answer.same_answer(key);
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
            !answer.is_empty() && answer.iter().all(|option| key.iter().any(|it| it.equal(option)))
        }
        _ => false,
    }
}

/// Whether a form's question was answered: a non-blank text, a non-empty list or object, any number.
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
