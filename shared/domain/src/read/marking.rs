use bson::{Bson, Document};

use crate::read::fields::{self, is_given};
use crate::read::quiz::QuizKind;
use crate::read::value::Value;

/// Marks beyond this, in either direction, are a mistake.
const MAX_MARKS: f64 = 1e6;
/// How many characters of a text an error shows.
const MAX_SHOWN_CHARS: usize = 40;

/// The marks that a set gives for each outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct MarkingScheme {
    pub correct: f64,
    pub wrong: f64,
    pub skipped: f64,
    /// `None` where the set has no partial marks. With an empty list, a partially correct answer gets 0 marks and does not
    /// count as wrong.
    pub partial: Option<Vec<PartialRule>>,
}

/// Gives `marks` where the number of selected options is one of `selected`.
#[derive(Clone, Debug, PartialEq)]
pub struct PartialRule {
    pub selected: Vec<f64>,
    pub marks: f64,
}

impl MarkingScheme {
    /// The default of the Quiz Engine's backend for a type of quiz.
    pub(crate) fn default_for(kind: &QuizKind) -> Self {
        let (correct, wrong) = match kind {
            QuizKind::Assessment | QuizKind::OmrAssessment => (4.0, -1.0),
            _ => (1.0, 0.0),
        };
        Self { correct, wrong, skipped: 0.0, partial: None }
    }

    /// Reads a marking scheme. A field that is absent or null gives 0.
    ///
    /// # Errors
    /// The text names the field that cannot be read and the cause.
    pub(crate) fn read(scheme: &Document) -> Result<Self, String> {
        Ok(Self {
            correct: marks(scheme, "correct")?,
            wrong: marks(scheme, "wrong")?,
            skipped: marks(scheme, "skipped")?,
            partial: list(scheme, "partial")?.map(rules).transpose()?,
        })
    }

    /// The marks of a partially correct answer: those of the first rule for this number of selected options, else 0.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
    pub fn partial_marks(&self, selected: usize) -> f64 {
        let fits = |rule: &&PartialRule| rule.selected.contains(&(selected as f64));
        self.partial.iter().flatten().find(fits).map_or(0.0, |rule| rule.marks)
    }
}

fn rules(rules: &[Bson]) -> Result<Vec<PartialRule>, String> {
    let rules = rules.iter().enumerate().map(|(at, rule)| {
        let place = format!("partial[{at}]");
        let Bson::Document(rule) = rule else {
            return Err(format!("{place} is {}, not an object", describe(rule)));
        };
        let read = || Ok(PartialRule { selected: selected(rule)?, marks: marks(rule, "marks")? });
        read().map_err(|what: String| format!("{place}.{what}"))
    });
    rules.collect()
}

fn selected(rule: &Document) -> Result<Vec<f64>, String> {
    let conditions = list(rule, "conditions")?.unwrap_or_default().iter().enumerate();
    let numbers = conditions.map(|(at, condition)| {
        let place = format!("conditions[{at}]");
        let Bson::Document(condition) = condition else {
            return Err(format!("{place} is {}, not an object", describe(condition)));
        };
        number(condition, "num_correct_selected").map_err(|what| format!("{place}.{what}"))
    });
    numbers.filter_map(Result::transpose).collect()
}

/// Reads a list; `None` where it is absent or null. The error names the field.
fn list<'a>(document: &'a Document, field: &str) -> Result<Option<&'a [Bson]>, String> {
    match fields::given(document, field) {
        None => Ok(None),
        Some(Bson::Array(values)) => Ok(Some(values)),
        Some(other) => Err(format!("{field} is {}, not a list", describe(other))),
    }
}

fn marks(document: &Document, field: &str) -> Result<f64, String> {
    let marks = number(document, field)?.unwrap_or_default();
    if marks.abs() > MAX_MARKS {
        return Err(format!("{field} is {marks}, not between -{MAX_MARKS} and {MAX_MARKS}"));
    }
    Ok(marks)
}

/// Reads a number; `None` where it is absent or null. The error names the field.
pub(crate) fn number(document: &Document, field: &str) -> Result<Option<f64>, String> {
    if !is_given(document, field) {
        return Ok(None);
    }
    let number = fields::number(document, field);
    let stored = || document.get(field).map_or_else(String::new, describe);
    number.map(Some).ok_or_else(|| format!("{field} is {}, not a number", stored()))
}

/// Describes a value of the quiz in an error: a scalar itself, else its kind.
pub(crate) fn describe(value: &Bson) -> String {
    match value {
        Bson::String(text) => {
            let short: String = text.chars().take(MAX_SHOWN_CHARS).collect();
            format!("{short:?}")
        }
        Bson::Double(number) => number.to_string(),
        Bson::Decimal128(number) => number.to_string(),
        other => Value::read(Some(other)).kind().to_owned(),
    }
}
