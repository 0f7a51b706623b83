use jiff::Timestamp;

use crate::problem::Problems;
use crate::rank::histogram::Histogram;
use crate::rank::ranking::{CohortFigures, Place, Standing};
use crate::read::quiz::Quiz;
use crate::read::test_session::TestSession;
use crate::read::time;
use crate::read::value::Value;
use crate::read::value::shows_something;
use crate::round::{percent, round2};
use crate::score::outcomes::Outcomes;
use crate::score::scoring::{Judgement, Outcome};
use crate::score::tally::{self, Score, Tally};

/// One attempt, scored: what each question came to, from which every result follows.
#[derive(Clone, Debug)]
pub struct ScoredAttempt {
    pub id: String,
    pub user_id: String,
    pub ended: bool,
    /// Ended, or the test's window has closed: only such an attempt is ranked.
    pub is_final: bool,
    /// Seconds.
    pub total_time_spent: Option<f64>,
    pub(crate) outcomes: Outcomes,
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
        tally::scores(quiz, &self.parts(quiz))
    }

    /// The result in one section (an index into [`Quiz::sections`]), or over the whole test.
    #[must_use]
    pub fn score(&self, quiz: &Quiz, section: Option<usize>) -> Option<Score> {
        let (overall, sections) = self.scores(quiz);
        section.map_or(Some(overall), |section| sections.get(section).copied())
    }

    /// Counts for each part of the quiz.
    pub(crate) fn parts(&self, quiz: &Quiz) -> Vec<Tally> {
        let mut parts = vec![Tally::default(); quiz.parts.len()];
        for (question, outcome, partial_marks) in self.outcomes.of(quiz) {
            let Some(part) = parts.get_mut(question.part) else { continue };
            match outcome {
                Some(outcome) => part.add(outcome, partial_marks),
                None => part.unreached += u32::from(!question.counts()),
            }
        }
        parts
    }

    /// For each of the quiz's chapters, in its order.
    pub(crate) fn chapters(&self, quiz: &Quiz) -> Vec<ChapterTally> {
        let mut chapters = vec![ChapterTally::default(); quiz.chapters.len()];
        for (question, set, Judgement { outcome, marks }) in self.outcomes.judged(quiz) {
            let Some(chapter) = question.chapter_line.and_then(|line| chapters.get_mut(line)) else {
                continue;
            };
            chapter.tally.add(outcome, marks);
            chapter.marks += marks;
            if outcome == Outcome::Skipped && !set.is_limited {
                chapter.marks += set.marking.skipped;
            }
        }
        chapters
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
    /// Counts what a ranked taker made of the question, whose set is limited or not.
    pub(crate) fn add(&mut self, outcome: Outcome, is_limited: impl FnOnce() -> bool) {
        match outcome {
            Outcome::Correct => self.correct += 1,
            Outcome::PartiallyCorrect => self.partially_correct += 1,
            Outcome::Wrong => self.wrong += 1,
            Outcome::Skipped if !is_limited() => self.skipped += 1,
            Outcome::Skipped | Outcome::Ungraded => {}
        }
    }

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

/// The ranking of one section, in the order of the attempts.
#[derive(Debug)]
pub struct Ranking {
    pub figures: CohortFigures,
    /// Rounded to two decimals.
    pub marks: Vec<f64>,
    pub(crate) places: Vec<Option<Place>>,
}

impl Ranking {
    /// Where an attempt stands; `None` for one that is not final.
    #[must_use]
    pub fn standing(&self, attempt: usize) -> Option<Standing> {
        self.places.get(attempt)?.map(|place| place.among(self.figures.takers))
    }

    /// Of each attempt.
    pub fn standings(&self) -> impl Iterator<Item = Option<Standing>> {
        self.places.iter().map(|place| place.map(|place| place.among(self.figures.takers)))
    }
}

impl Test {
    /// The session's name for the test, else the quiz's title, else the quiz's id. A name that shows nothing counts as
    /// not given.
    #[must_use]
    pub fn name(&self) -> &str {
        let names = [&self.session.test_name, &self.quiz.title].into_iter().filter_map(Option::as_deref);
        names.into_iter().find(|name| shows_something(name)).unwrap_or(&self.quiz.id)
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

    /// Whether it is a form: its answers are kept, and it has no ranks.
    #[must_use]
    pub fn is_form(&self) -> bool {
        matches!(self.results, TestResults::Form(_))
    }

    /// The distribution of the ranked takers' marks over the whole test, in at most 25 bins; `None`
    /// without a ranked taker.
    #[must_use]
    pub fn histogram(&self) -> Option<Histogram> {
        let TestResults::Scored { rankings, .. } = &self.results else { return None };
        let overall = rankings.first()?;
        let ranked = overall.marks.iter().zip(&overall.places);
        Histogram::of(ranked.filter(|(_, place)| place.is_some()).map(|(marks, _)| *marks))
    }
}
