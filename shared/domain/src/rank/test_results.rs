use jiff::Timestamp;

use crate::problem::Problems;
use crate::rank::histogram::Histogram;
use crate::rank::ranking::{CohortFigures, PackedStanding, Standing};
use crate::read::quiz::Quiz;
use crate::read::test_session::TestSession;
use crate::read::time;
use crate::read::value::Value;
use crate::read::value::is_visible;
use crate::round::{percent, round2};
use crate::score::outcomes::Outcomes;
use crate::score::scoring::{Judgement, Outcome};
use crate::score::tally::{self, Score, Tally};

/// One scored attempt. All its results follow from the outcomes of its questions.
#[derive(Clone, Debug)]
pub struct ScoredAttempt {
    pub id: String,
    pub user_id: String,
    pub ended: bool,
    /// Whether the attempt is ranked: it ended, or the window has closed.
    pub is_final: bool,
    /// Seconds.
    pub total_time_spent: Option<f64>,
    pub(crate) outcomes: Outcomes,
}

/// One attempt's counts and marks in one chapter. The questions of a chapter can belong to sets with different marks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChapterTally {
    pub tally: Tally,
    pub marks: f64,
}

impl ScoredAttempt {
    /// The result of the whole test, and of each section in the order of [`Quiz::sections`].
    #[must_use]
    pub fn scores(&self, quiz: &Quiz) -> (Score, Vec<Score>) {
        tally::scores(quiz, &self.parts(quiz))
    }

    /// The result of one section (an index into [`Quiz::sections`]), or of the whole test.
    #[must_use]
    pub fn score(&self, quiz: &Quiz, section: Option<usize>) -> Option<Score> {
        let (overall, sections) = self.scores(quiz);
        section.map_or(Some(overall), |section| sections.get(section).copied())
    }

    /// One tally for each part of the quiz, in its order.
    pub(crate) fn parts(&self, quiz: &Quiz) -> Vec<Tally> {
        let mut parts = vec![Tally::default(); quiz.parts.len()];
        for (question, outcome, partial_marks) in self.outcomes.by_question(quiz) {
            let Some(part) = parts.get_mut(question.part) else { continue };
            match outcome {
                Some(outcome) => part.add(outcome, partial_marks),
                None => part.unreached += u32::from(!question.counts()),
            }
        }
        parts
    }

    /// One tally for each chapter of the quiz, in its order.
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

/// How many ranked participants had each outcome at one question. Where a set has an optional limit, a skipped question
/// is not counted: the student was free to leave it out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuestionTally {
    pub correct: u32,
    pub partially_correct: u32,
    pub wrong: u32,
    pub skipped: u32,
}

impl QuestionTally {
    /// Counts the outcome of one ranked participant. `is_limited` says whether the set has an optional limit.
    pub(crate) fn add(&mut self, outcome: Outcome, is_limited: impl FnOnce() -> bool) {
        match outcome {
            Outcome::Correct => self.correct += 1,
            Outcome::PartiallyCorrect => self.partially_correct += 1,
            Outcome::Wrong => self.wrong += 1,
            Outcome::Skipped if !is_limited() => self.skipped += 1,
            Outcome::Skipped | Outcome::Ungraded => {}
        }
    }

    /// Participants who are counted at this question.
    #[must_use]
    pub fn participants(&self) -> u32 {
        self.correct + self.partially_correct + self.wrong + self.skipped
    }

    /// `100 × correct / participants`, 2 decimals; `None` without participants.
    #[must_use]
    pub fn correct_percentage(&self) -> Option<f64> {
        percent(f64::from(self.correct), f64::from(self.participants())).map(round2)
    }
}

/// One test session, read, scored and ranked. Its reports and rows are made from this.
#[derive(Debug)]
pub struct SessionResult {
    pub quiz: Quiz,
    pub session: TestSession,
    /// The session's start, else the start of the earliest attempt; absent where neither is known.
    pub start: Option<Timestamp>,
    pub results: AttemptResults,
    pub problems: Problems,
}

/// The results of a scored quiz, or the answers to a form.
#[derive(Debug)]
pub enum AttemptResults {
    Scored {
        /// Sorted by user id.
        attempts: Vec<ScoredAttempt>,
        /// The whole test first, then each section.
        rankings: Vec<Ranking>,
        /// Counts over the ranked participants, in the order of the quiz's questions.
        questions: Vec<QuestionTally>,
    },
    /// Sorted by user id.
    Form(Vec<FormAttempt>),
}

/// The ranking of one section, in the order of the attempts.
#[derive(Debug)]
pub struct Ranking {
    pub figures: CohortFigures,
    /// Rounded to two decimals.
    pub marks: Vec<f64>,
    pub(crate) standings: Vec<Option<PackedStanding>>,
}

impl Ranking {
    /// The standing of one attempt; `None` where the attempt is not final.
    #[must_use]
    pub fn standing(&self, attempt: usize) -> Option<Standing> {
        self.standings.get(attempt)?.map(|standing| standing.unpack(self.figures.ranked))
    }

    /// The standing of each attempt, in their order; `None` where an attempt is not final.
    pub fn standings(&self) -> impl Iterator<Item = Option<Standing>> {
        let ranked = self.figures.ranked;
        self.standings.iter().map(move |standing| standing.map(|standing| standing.unpack(ranked)))
    }
}

impl SessionResult {
    /// The session's name, else the quiz's title, else the quiz's id. A name without a visible character counts as not
    /// given.
    #[must_use]
    pub fn name(&self) -> &str {
        let names = [&self.session.test_name, &self.quiz.title].into_iter().filter_map(Option::as_deref);
        names.into_iter().find(|name| is_visible(name)).unwrap_or(&self.quiz.id)
    }

    /// The time that gives the test its date. It is the start, else the creation time in the quiz's id, else the end of
    /// the window, else `now`.
    #[must_use]
    pub fn began(&self, now: Timestamp) -> Timestamp {
        let made = || time::id_time(&self.quiz.id);
        self.start.or_else(made).or(self.quiz.session_end).unwrap_or(now)
    }

    /// The number of participants: students with an attempt.
    #[must_use]
    pub fn participants(&self) -> usize {
        match &self.results {
            AttemptResults::Scored { attempts, .. } => attempts.len(),
            AttemptResults::Form(attempts) => attempts.len(),
        }
    }

    /// The number of ranked participants: those whose attempt is final.
    #[must_use]
    pub fn ranked(&self) -> u32 {
        self.figures().ranked
    }

    /// The figures of the whole test; empty for a form.
    #[must_use]
    pub fn figures(&self) -> CohortFigures {
        match &self.results {
            AttemptResults::Scored { rankings, .. } => {
                rankings.first().map(|overall| overall.figures).unwrap_or_default()
            }
            AttemptResults::Form(_) => CohortFigures::default(),
        }
    }

    /// Whether the quiz is a form, which has answers and no ranks.
    #[must_use]
    pub fn is_form(&self) -> bool {
        matches!(self.results, AttemptResults::Form(_))
    }

    /// The distribution of the marks in the whole test, over the ranked participants, in at most 25 bins; `None` where
    /// there are none.
    #[must_use]
    pub fn histogram(&self) -> Option<Histogram> {
        let AttemptResults::Scored { rankings, .. } = &self.results else { return None };
        let overall = rankings.first()?;
        let ranked = overall.marks.iter().zip(&overall.standings);
        Histogram::from_marks(ranked.filter(|(_, standing)| standing.is_some()).map(|(marks, _)| *marks))
    }
}
