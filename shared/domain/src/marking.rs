use bson::{Bson, Document};

use crate::fields::{self, is_given};
use crate::problem::{ProblemKind, Problems};
use crate::quiz::QuizKind;

/// Beyond this, either way, marks are a mistake.
const MOST_MARKS: f64 = 1e6;

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

    pub(crate) fn read(scheme: &Document, place: &str, problems: &mut Problems) -> Self {
        let mut marks = |of: &Document, field: &str| {
            if let Some(marks) = fields::number(of, field).filter(|marks| marks.abs() <= MOST_MARKS) {
                return marks;
            }
            if is_given(of, field) {
                let example =
                    format!("{place}: `{field}` is no number between −{MOST_MARKS} and {MOST_MARKS}");
                problems.add(ProblemKind::MarkingUnreadable, example);
            }
            0.0
        };
        let correct = marks(scheme, "correct");
        let wrong = marks(scheme, "wrong");
        let skipped = marks(scheme, "skipped");
        let partial = scheme.get_array("partial").ok().map(|rules| {
            rules
                .iter()
                .filter_map(Bson::as_document)
                .map(|rule| PartialRule { selected: selected(rule), marks: marks(rule, "marks") })
                .collect()
        });
        if is_given(scheme, "partial") && partial.is_none() {
            problems.add(ProblemKind::MarkingUnreadable, format!("{place}: `partial` is not a list"));
        }
        Self { correct, wrong, skipped, partial }
    }

    /// Marks for a partly correct answer: of the first rule that fits the number of options selected.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
    pub fn partial_marks(&self, selected: usize) -> f64 {
        let fits = |rule: &&PartialRule| rule.selected.contains(&(selected as f64));
        self.partial.iter().flatten().find(fits).map_or(0.0, |rule| rule.marks)
    }
}

fn selected(rule: &Document) -> Vec<f64> {
    let conditions = rule.get_array("conditions").map(Vec::as_slice).unwrap_or_default();
    conditions.iter().filter_map(|it| fields::number(it.as_document()?, "num_correct_selected")).collect()
}
