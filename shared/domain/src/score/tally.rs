use crate::read::marking::MarkingScheme;
use crate::read::quiz::Quiz;
use crate::round::{percent, round2};
use crate::score::scoring::Outcome;

/// Counts of outcomes over a group of questions of one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    pub correct: u32,
    pub partially_correct: u32,
    pub wrong: u32,
    /// The sum of the marks of the partially correct answers.
    pub partial_marks: f64,
    /// Ungraded questions without a record in the attempt.
    pub unreached: u32,
}

impl Tally {
    /// Counts one outcome. `marks` counts only where the answer is partially correct.
    pub(crate) fn add(&mut self, outcome: Outcome, marks: f64) {
        match outcome {
            Outcome::Correct => self.correct += 1,
            Outcome::Wrong => self.wrong += 1,
            Outcome::PartiallyCorrect => {
                self.partially_correct += 1;
                self.partial_marks += marks;
            }
            Outcome::Skipped | Outcome::Ungraded => {}
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            correct: self.correct + other.correct,
            partially_correct: self.partially_correct + other.partially_correct,
            wrong: self.wrong + other.wrong,
            partial_marks: self.partial_marks + other.partial_marks,
            unreached: self.unreached + other.unreached,
        }
    }

    #[must_use]
    pub fn answered(&self) -> u32 {
        self.correct + self.partially_correct + self.wrong
    }

    fn marks(&self, marking: &MarkingScheme, skipped: u32) -> f64 {
        marking.correct * f64::from(self.correct)
            + marking.wrong * f64::from(self.wrong)
            + marking.skipped * f64::from(skipped)
            + self.partial_marks
    }
}

/// One attempt's result in one section or in the whole test.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Rounded to two decimals.
    pub marks: f64,
    /// The maximum, which is the same for every attempt; rounded to two decimals.
    pub max_marks: f64,
    /// Questions that count: graded or forced correct.
    pub total_questions: u32,
    /// How many questions the student may attempt: the basis of `skipped` and of the attempt percentage. As in the
    /// backend, an ungraded question lowers it only where the attempt has a record of the question.
    pub allowed: u32,
    pub answered: u32,
    pub correct: u32,
    pub partially_correct: u32,
    pub wrong: u32,
    pub skipped: u32,
}

impl Score {
    /// `100 × (correct + ½ partially correct) / answered`, 2 decimals; `None` without an answer.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        let correct = f64::from(self.correct) + 0.5 * f64::from(self.partially_correct);
        percent(correct, f64::from(self.answered)).map(round2)
    }

    /// `100 × answered / allowed`, 2 decimals; `None` where `allowed` is 0.
    #[must_use]
    pub fn attempt_percentage(&self) -> Option<f64> {
        percent(f64::from(self.answered), f64::from(self.allowed)).map(round2)
    }

    /// `100 × marks / maximum`, 2 decimals; `None` where the maximum is 0.
    #[must_use]
    pub fn percentage(&self) -> Option<f64> {
        percent(self.marks, self.max_marks).map(round2)
    }

    /// Adds a set or a part. The maximum is for `at_most` questions, and this attempt may answer `allowed` of them.
    fn add(&mut self, tally: Tally, marking: &MarkingScheme, at_most: u32, allowed: u32, questions: u32) {
        let skipped = allowed.saturating_sub(tally.answered());
        self.marks += tally.marks(marking, skipped);
        self.max_marks += marking.correct * f64::from(at_most);
        self.total_questions += questions;
        self.allowed = self.allowed.saturating_add(allowed);
        self.answered += tally.answered();
        self.correct += tally.correct;
        self.partially_correct += tally.partially_correct;
        self.wrong += tally.wrong;
        self.skipped = self.skipped.saturating_add(skipped);
    }

    fn rounded(mut self) -> Self {
        self.marks = round2(self.marks);
        self.max_marks = round2(self.max_marks);
        self
    }
}

/// Computes the result of the whole test, set by set as the backend does, and of each section in the order of
/// [`Quiz::sections`]. `tallies` has one tally for each of [`Quiz::parts`].
pub(crate) fn scores(quiz: &Quiz, tallies: &[Tally]) -> (Score, Vec<Score>) {
    let mut overall = Score::default();
    let mut sections = vec![Score::default(); quiz.sections.len()];
    let mut parts = quiz.parts.iter().zip(tallies).peekable();
    for (index, set) in quiz.sets.iter().enumerate() {
        let mut whole = Tally::default();
        let mut questions = 0;
        while let Some((part, tally)) = parts.next_if(|(part, _)| part.set == index) {
            whole = whole.plus(*tally);
            questions += part.questions;
            if let Some(section) = sections.get_mut(part.section) {
                let allowed =
                    if set.is_limited { set.allowed_with(tally) } else { part.allowed + tally.unreached };
                section.add(*tally, &set.marking, part.allowed, allowed, part.questions);
            }
        }
        overall.add(whole, &set.marking, set.allowed, set.allowed_with(&whole), questions);
    }
    (overall.rounded(), sections.into_iter().map(Score::rounded).collect())
}
