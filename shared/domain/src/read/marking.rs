use bson::{Bson, Document};

use crate::read::fields::{self, is_given};
use crate::read::quiz::QuizKind;
use crate::read::value::Value;

/// Beyond this, either way, marks are a mistake.
const MOST_MARKS: f64 = 1e6;
/// Characters of a text that an error shows.
const MOST_SHOWN: usize = 40;

/// The marks that a set gives for a question's outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct MarkingScheme {
    pub correct: f64,
    pub wrong: f64,
    pub skipped: f64,
    /// `None` where the set knows no partial marks; an empty list of rules gives 0 for a partly
    /// correct answer, which is still no wrong one.
    pub partial: Option<Vec<PartialRule>>,
}

/// `marks` where the number of options selected is one of `selected`.
#[derive(Clone, Debug, PartialEq)]
pub struct PartialRule {
    pub selected: Vec<f64>,
    pub marks: f64,
}

impl MarkingScheme {
    pub(crate) fn of_kind(kind: &QuizKind) -> Self {
        let (correct, wrong) = match kind {
            QuizKind::Assessment | QuizKind::OmrAssessment => (4.0, -1.0),
            _ => (1.0, 0.0),
        };
        Self { correct, wrong, skipped: 0.0, partial: None }
    }

    /// A field that is absent or null gives 0.
    ///
    /// # Errors
    /// Which field cannot be read, and why: a report without it would be wrong.
    pub(crate) fn read(scheme: &Document) -> Result<Self, String> {
        Ok(Self {
            correct: marks(scheme, "correct")?,
            wrong: marks(scheme, "wrong")?,
            skipped: marks(scheme, "skipped")?,
            partial: list(scheme, "partial")?.map(rules).transpose()?,
        })
    }

    /// Marks for a partly correct answer: of the first rule that fits the number of options selected.
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
            return Err(format!("{place} is {}, not an object", shown(rule)));
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
            return Err(format!("{place} is {}, not an object", shown(condition)));
        };
        number(condition, "num_correct_selected").map_err(|what| format!("{place}.{what}"))
    });
    numbers.filter_map(Result::transpose).collect()
}

/// A list; `None` where it is absent or null.
fn list<'a>(document: &'a Document, field: &str) -> Result<Option<&'a [Bson]>, String> {
    match fields::given(document, field) {
        None => Ok(None),
        Some(Bson::Array(values)) => Ok(Some(values)),
        Some(other) => Err(format!("{field} is {}, not a list", shown(other))),
    }
}

fn marks(document: &Document, field: &str) -> Result<f64, String> {
    let marks = number(document, field)?.unwrap_or_default();
    if marks.abs() > MOST_MARKS {
        return Err(format!("{field} is {marks}, not between -{MOST_MARKS} and {MOST_MARKS}"));
    }
    Ok(marks)
}

/// A number; `None` where it is absent or null. The error names the field.
pub(crate) fn number(document: &Document, field: &str) -> Result<Option<f64>, String> {
    if !is_given(document, field) {
        return Ok(None);
    }
    let number = fields::number(document, field);
    let stored = || document.get(field).map_or_else(String::new, shown);
    number.map(Some).ok_or_else(|| format!("{field} is {}, not a number", stored()))
}

/// A value of the quiz, for an error.
pub(crate) fn shown(value: &Bson) -> String {
    match value {
        Bson::String(text) => {
            let short: String = text.chars().take(MOST_SHOWN).collect();
            format!("{short:?}")
        }
        Bson::Double(number) => number.to_string(),
        Bson::Decimal128(number) => number.to_string(),
        other => Value::read(Some(other)).kind().to_owned(),
    }
}
