use crate::quiz::{MarkingScheme, Quiz};
use crate::round::{percent, round2};
use crate::scoring::{Judgement, Outcome};

/// Counts of outcomes over some questions of one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    pub correct: u32,
    pub partially_correct: u32,
    pub wrong: u32,
    /// Sum of the marks for partly correct answers.
    pub partial_marks: f64,
}

impl Tally {
    pub(crate) fn add(&mut self, judgement: Judgement) {
        match judgement.outcome {
            Outcome::Correct => self.correct += 1,
            Outcome::Wrong => self.wrong += 1,
            Outcome::PartiallyCorrect => {
                self.partially_correct += 1;
                self.partial_marks += judgement.marks;
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

/// One attempt's result in a section, a chapter or the whole test.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Rounded to two decimals.
    pub marks: f64,
    pub max_marks: f64,
    pub total_questions: u32,
    /// How many may be attempted; the basis of `skipped` and the attempt percentage.
    pub allowed: u32,
    pub answered: u32,
    pub correct: u32,
    pub partially_correct: u32,
    pub wrong: u32,
    pub skipped: u32,
}

impl Score {
    /// `100 × (correct + ½ partly correct) / answered`, 2 decimals; `None` without an answer.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        let correct = f64::from(self.correct) + 0.5 * f64::from(self.partially_correct);
        percent(correct, f64::from(self.answered)).map(round2)
    }

    /// `100 × answered / allowed`, 2 decimals; `None` where nothing may be attempted.
    #[must_use]
    pub fn attempt_percentage(&self) -> Option<f64> {
        percent(f64::from(self.answered), f64::from(self.allowed)).map(round2)
    }

    /// `100 × marks / maximum`, 2 decimals; `None` where the maximum is 0.
    #[must_use]
    pub fn percentage(&self) -> Option<f64> {
        percent(self.marks, self.max_marks).map(round2)
    }

    fn add(&mut self, tally: Tally, marking: &MarkingScheme, allowed: u32, questions: u32) {
        let skipped = allowed.saturating_sub(tally.answered());
        self.marks += tally.marks(marking, skipped);
        self.max_marks += marking.correct * f64::from(allowed);
        self.total_questions += questions;
        self.allowed += allowed;
        self.answered += tally.answered();
        self.correct += tally.correct;
        self.partially_correct += tally.partially_correct;
        self.wrong += tally.wrong;
        self.skipped += skipped;
    }

    fn rounded(mut self) -> Self {
        self.marks = round2(self.marks);
        self.max_marks = round2(self.max_marks);
        self
    }
}

/// The result over the whole test: set by set, as the backend computes it.
pub(crate) fn overall(quiz: &Quiz, parts: &[Tally]) -> Score {
    let mut score = Score::default();
    for (index, set) in quiz.sets.iter().enumerate() {
        let mut tally = Tally::default();
        let mut questions = 0;
        for (part, of_part) in quiz.parts.iter().zip(parts).filter(|(part, _)| part.set == index) {
            tally = tally.plus(*of_part);
            questions += part.questions;
        }
        score.add(tally, &set.marking, set.allowed, questions);
    }
    score.rounded()
}

/// The result in one section, an index into [`Quiz::sections`].
pub(crate) fn section(quiz: &Quiz, parts: &[Tally], section: usize) -> Score {
    let mut score = Score::default();
    for (part, tally) in quiz.parts.iter().zip(parts).filter(|(part, _)| part.section == section) {
        if let Some(set) = quiz.sets.get(part.set) {
            score.add(*tally, &set.marking, part.allowed, part.questions);
        }
    }
    score.rounded()
}
