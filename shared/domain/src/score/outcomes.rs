//! The outcomes of one attempt in a third of a byte for each question.
//!
//! A cohort of 100,000 attempts at 105 questions stays in memory until all are read, so each outcome must be small. A
//! question has one of six codes: no record, or one of five outcomes. Three codes fit into one byte, because 6³ = 216.
//! All results of the attempt follow from its codes and from the marks of its partially correct answers.

use crate::read::question::Question;
use crate::read::quiz::{QuestionSet, Quiz};
use crate::score::scoring::{Judgement, Outcome};

/// How many outcomes one byte holds.
const PER_BYTE: usize = 3;
/// How many codes there are: one for no record, and five for the outcomes.
const CODES: u8 = 6;

/// The outcome of each question of one attempt, in the order of the quiz.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcomes {
    codes: Box<[u8]>,
    /// The marks of the partially correct answers, in the order of the quiz.
    partial_marks: Box<[f64]>,
}

impl Outcomes {
    /// Packs the judgements; `None` stands for a question without a record.
    pub fn pack(judged: impl Iterator<Item = Option<Judgement>>) -> Self {
        let (length, _) = judged.size_hint();
        let mut codes = Vec::with_capacity(length.div_ceil(PER_BYTE));
        let mut partial_marks = Vec::new();
        let (mut byte, mut place) = (0, 1);
        for judgement in judged {
            byte += place * code(judgement.map(|judgement| judgement.outcome));
            if let Some(Judgement { outcome: Outcome::PartiallyCorrect, marks }) = judgement {
                partial_marks.push(marks);
            }
            if place == CODES * CODES {
                codes.push(byte);
                (byte, place) = (0, 1);
            } else {
                place *= CODES;
            }
        }
        if place > 1 {
            codes.push(byte);
        }
        Self { codes: codes.into(), partial_marks: partial_marks.into() }
    }

    /// Reverses [`Outcomes::codes`] and [`Outcomes::partial_marks`] for the same quiz; `None` where the values do not fit
    /// the quiz.
    pub fn unpack(quiz: &Quiz, codes: Box<[u8]>, partial_marks: Box<[f64]>) -> Option<Self> {
        let outcomes = Self { codes, partial_marks };
        let partial = outcomes.outcomes().take(quiz.questions.len());
        let partial = partial.filter(|outcome| *outcome == Some(Outcome::PartiallyCorrect)).count();
        let fits = outcomes.codes.len() == quiz.questions.len().div_ceil(PER_BYTE)
            && outcomes.codes.iter().all(|byte| *byte < CODES * CODES * CODES)
            && outcomes.partial_marks.len() == partial;
        fits.then_some(outcomes)
    }

    pub fn codes(&self) -> &[u8] {
        &self.codes
    }

    pub fn partial_marks(&self) -> &[f64] {
        &self.partial_marks
    }

    /// Each question with its outcome, and its marks where the answer is partially correct. The outcome is `None` for a
    /// question without a record.
    pub fn by_question<'a>(
        &'a self,
        quiz: &'a Quiz,
    ) -> impl Iterator<Item = (&'a Question, Option<Outcome>, f64)> {
        let mut partial_marks = self.partial_marks.iter();
        quiz.questions.iter().zip(self.outcomes()).map(move |(question, outcome)| {
            let is_partial = outcome == Some(Outcome::PartiallyCorrect);
            let marks = if is_partial { partial_marks.next().copied().unwrap_or_default() } else { 0.0 };
            (question, outcome, marks)
        })
    }

    /// Each question with its set and its judgement. A question without a record counts as skipped.
    pub fn judged<'a>(
        &'a self,
        quiz: &'a Quiz,
    ) -> impl Iterator<Item = (&'a Question, &'a QuestionSet, Judgement)> {
        self.by_question(quiz).filter_map(|(question, outcome, partial_marks)| {
            let without_record = if question.counts() { Outcome::Skipped } else { Outcome::Ungraded };
            let (outcome, set) = (outcome.unwrap_or(without_record), quiz.set_containing(question)?);
            let marks = match outcome {
                Outcome::Correct => set.marking.correct,
                Outcome::Wrong => set.marking.wrong,
                Outcome::PartiallyCorrect => partial_marks,
                Outcome::Skipped | Outcome::Ungraded => 0.0,
            };
            Some((question, set, Judgement { outcome, marks }))
        })
    }

    fn outcomes(&self) -> impl Iterator<Item = Option<Outcome>> {
        let three = |byte: &u8| [byte % CODES, byte / CODES % CODES, byte / (CODES * CODES)];
        self.codes.iter().flat_map(three).map(outcome)
    }
}

fn code(outcome: Option<Outcome>) -> u8 {
    match outcome {
        None => 0,
        Some(Outcome::Correct) => 1,
        Some(Outcome::PartiallyCorrect) => 2,
        Some(Outcome::Wrong) => 3,
        Some(Outcome::Skipped) => 4,
        Some(Outcome::Ungraded) => 5,
    }
}

fn outcome(code: u8) -> Option<Outcome> {
    match code {
        1 => Some(Outcome::Correct),
        2 => Some(Outcome::PartiallyCorrect),
        3 => Some(Outcome::Wrong),
        4 => Some(Outcome::Skipped),
        5 => Some(Outcome::Ungraded),
        _ => None,
    }
}
