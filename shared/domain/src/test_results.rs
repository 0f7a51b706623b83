use jiff::Timestamp;

use crate::histogram::Histogram;
use crate::problem::Problems;
use crate::quiz::Quiz;
use crate::rank::{CohortFigures, Standing};
use crate::round::{percent, round2};
use crate::tally::{self, Score, Tally};
use crate::test_session::TestSession;
use crate::time;
use crate::value::Value;

/// One attempt, scored: counts for each part of the quiz and each chapter, from which every result
/// follows.
#[derive(Clone, Debug)]
pub struct ScoredAttempt {
    pub id: String,
    pub user_id: String,
    pub ended: bool,
    /// Ended, or the test's window has closed: only such an attempt is ranked.
    pub is_final: bool,
    /// Seconds.
    pub total_time_spent: Option<f64>,
    pub(crate) parts: Box<[Tally]>,
    /// For each of the quiz's chapters, in its order.
    pub(crate) chapters: Box<[ChapterTally]>,
}

/// One attempt's counts in a chapter, whose questions can be of sets with different marks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChapterTally {
    pub tally: Tally,
    pub marks: f64,
}

impl ScoredAttempt {
    /// The results over the whole test, and in each section in the order of [`Quiz::sections`].
    #[must_use]
    pub fn scores(&self, quiz: &Quiz) -> (Score, Vec<Score>) {
        tally::scores(quiz, &self.parts)
    }
}

/// One student's answers to a form, in the order of its questions.
#[derive(Clone, Debug)]
pub struct FormAttempt {
    pub id: String,
    pub user_id: String,
    pub answers: Vec<Value>,
}

/// How the ranked takers fared with one question. Where a set lets them choose among its questions,
/// those who left this one out are not counted: it was no failure of theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuestionTally {
    pub correct: u32,
    pub partially_correct: u32,
    pub wrong: u32,
    pub skipped: u32,
}

impl QuestionTally {
    #[must_use]
    pub fn takers(&self) -> u32 {
        self.correct + self.partially_correct + self.wrong + self.skipped
    }

    /// `100 × correct / takers`; `None` without takers.
    #[must_use]
    pub fn correct_percentage(&self) -> Option<f64> {
        percent(f64::from(self.correct), f64::from(self.takers())).map(round2)
    }
}

/// A test, read and scored and ranked: all that its reports say.
#[derive(Debug)]
pub struct Test {
    pub quiz: Quiz,
    pub session: TestSession,
    /// The session's start, else that of the earliest attempt; absent where neither is known.
    pub start: Option<Timestamp>,
    pub results: TestResults,
    pub problems: Problems,
}

#[derive(Debug)]
pub enum TestResults {
    Scored {
        /// By user id.
        attempts: Vec<ScoredAttempt>,
        /// The whole test first, then each section.
        rankings: Vec<Ranking>,
        /// Of the ranked takers, in the order of the quiz's questions.
        questions: Vec<QuestionTally>,
    },
    /// By user id.
    Form(Vec<FormAttempt>),
}

/// The ranking of one section.
#[derive(Debug)]
pub struct Ranking {
    pub figures: CohortFigures,
    pub scores: Vec<Score>,
    /// In the order of the attempts; `None` for one that is not final.
    pub standings: Vec<Option<Standing>>,
}

impl Test {
    /// The session's name for the test, else the quiz's title, else the quiz's id.
    #[must_use]
    pub fn name(&self) -> &str {
        self.session.test_name.as_deref().unwrap_or_else(|| self.quiz.name())
    }

    /// When the test began, for its date. Where neither session nor attempts tell, the quiz's id tells
    /// when it was made, else the window when it closed; `now` is the last resort.
    #[must_use]
    pub fn began(&self, now: Timestamp) -> Timestamp {
        let made = || time::of_id(&self.quiz.id);
        self.start.or_else(made).or(self.quiz.session_end).unwrap_or(now)
    }

    /// Everyone with an attempt.
    #[must_use]
    pub fn takers(&self) -> usize {
        match &self.results {
            TestResults::Scored { attempts, .. } => attempts.len(),
            TestResults::Form(attempts) => attempts.len(),
        }
    }

    /// Those of them who are ranked.
    #[must_use]
    pub fn ranked(&self) -> u32 {
        self.figures().takers
    }

    /// Figures over the whole test; empty for a form.
    #[must_use]
    pub fn figures(&self) -> CohortFigures {
        match &self.results {
            TestResults::Scored { rankings, .. } => rankings.first().map(|it| it.figures).unwrap_or_default(),
            TestResults::Form(_) => CohortFigures::default(),
        }
    }

    /// The distribution of the ranked takers' marks over the whole test, in at most 25 bins; `None`
    /// without a ranked taker.
    #[must_use]
    pub fn histogram(&self) -> Option<Histogram> {
        let TestResults::Scored { rankings, .. } = &self.results else { return None };
        let overall = rankings.first()?;
        let ranked = overall.scores.iter().zip(&overall.standings);
        Histogram::of(ranked.filter(|(_, standing)| standing.is_some()).map(|(score, _)| score.marks))
    }
}
