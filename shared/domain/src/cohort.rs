use bson::Document;
use jiff::Timestamp;

use crate::attempt::Attempt;
use crate::problem::{ProblemKind, Problems};
use crate::quiz::{Quiz, QuizKind};
use crate::rank::{self, CohortFigures, RankError, Standing};
use crate::round::{percent, round2};
use crate::scoring::{Outcome, judge};
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
    parts: Box<[Tally]>,
    chapters: Box<[ChapterTally]>,
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

    /// Counts for each of the quiz's chapters, in its order.
    pub(crate) fn chapters(&self) -> &[ChapterTally] {
        &self.chapters
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

/// Counts of marks in equal bins: bin `i` holds `start + i·width ≤ marks < start + (i+1)·width`.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    pub start: f64,
    pub width: f64,
    pub counts: Vec<u32>,
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

impl Histogram {
    const MOST_BINS: f64 = 25.0;

    fn of(marks: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let lowest = marks.clone().reduce(f64::min)?;
        let highest = marks.clone().reduce(f64::max)?;
        let mut width = 1.0;
        for factor in [2.0, 2.5, 2.0].iter().cycle().take(60) {
            if ((highest - lowest) / width).floor() < Self::MOST_BINS - 1.0 {
                break;
            }
            width *= factor;
        }
        let start = (lowest / width).floor() * width;
        let bin = |marks: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 25")]
            let bin = ((marks - start) / width).floor().clamp(0.0, Self::MOST_BINS) as usize;
            bin
        };
        let mut counts = vec![0; bin(highest) + 1];
        for marks in marks {
            if let Some(count) = counts.get_mut(bin(marks)) {
                *count += 1;
            }
        }
        Some(Self { start, width, counts })
    }
}

/// Takes a test's attempts one by one, keeping of each only its result.
#[derive(Debug)]
pub struct TestBuilder {
    quiz: Quiz,
    session: TestSession,
    window_closed: bool,
    earliest: Option<Timestamp>,
    scored: Vec<ScoredAttempt>,
    forms: Vec<FormAttempt>,
    questions: Vec<QuestionTally>,
    problems: Problems,
}

impl TestBuilder {
    /// `now` decides whether the test's window has closed: the session's end, else the quiz's.
    #[must_use]
    pub fn new(quiz: Quiz, session: TestSession, now: Timestamp, problems: Problems) -> Self {
        let window_closed = session.end.or(quiz.session_end).is_some_and(|end| end <= now);
        let questions = vec![QuestionTally::default(); quiz.questions.len()];
        Self {
            quiz,
            session,
            window_closed,
            earliest: None,
            scored: Vec::new(),
            forms: Vec::new(),
            questions,
            problems,
        }
    }

    #[must_use]
    pub fn quiz(&self) -> &Quiz {
        &self.quiz
    }

    pub fn problems(&mut self) -> &mut Problems {
        &mut self.problems
    }

    /// Takes the session document that was chosen for its user. Returns the user's id where it turns out
    /// to be no attempt, so that another of the user's documents is tried.
    pub fn take(&mut self, document: &Document) -> Option<String> {
        let mut problems = Problems::default();
        let attempt = Attempt::read(document, &self.quiz, &mut problems);
        match attempt {
            Some(attempt) if !attempt.is_attempt() => return Some(attempt.user_id),
            Some(attempt) => self.add(attempt),
            None => {}
        }
        self.problems.merge(problems);
        None
    }

    fn add(&mut self, attempt: Attempt) {
        self.earliest = match (self.earliest, attempt.started) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if self.quiz.kind == QuizKind::Form {
            let answers =
                attempt.answers.into_iter().map(|record| record.unwrap_or_default().answer).collect();
            self.forms.push(FormAttempt { id: attempt.id, user_id: attempt.user_id, answers });
        } else {
            attempt.check_shapes(&self.quiz, &mut self.problems);
            let scored = self.score(attempt);
            self.scored.push(scored);
        }
    }

    fn score(&mut self, attempt: Attempt) -> ScoredAttempt {
        let is_final = attempt.ended || self.window_closed;
        let mut parts = vec![Tally::default(); self.quiz.parts.len()];
        let mut chapters = vec![ChapterTally::default(); self.quiz.chapters.len()];
        for ((question, record), tally) in
            self.quiz.questions.iter().zip(&attempt.answers).zip(&mut self.questions)
        {
            let Some(set) = self.quiz.set_of(question) else { continue };
            let Some(record) = record else {
                if let Some(part) = parts.get_mut(question.part) {
                    part.unreached += u32::from(!question.counts());
                }
                tally.skipped += u32::from(is_final && question.counts() && !set.is_limited);
                continue;
            };
            let judgement = judge(question, &set.marking, &record.answer);
            if let Some(part) = parts.get_mut(question.part) {
                part.add(judgement);
            }
            if let Some(chapter) = question.chapter_line.and_then(|line| chapters.get_mut(line)) {
                chapter.tally.add(judgement);
                chapter.marks += judgement.marks;
                if judgement.outcome == Outcome::Skipped && !set.is_limited {
                    chapter.marks += set.marking.skipped;
                }
            }
            if is_final {
                match judgement.outcome {
                    Outcome::Correct => tally.correct += 1,
                    Outcome::PartiallyCorrect => tally.partially_correct += 1,
                    Outcome::Wrong => tally.wrong += 1,
                    Outcome::Skipped if !set.is_limited => tally.skipped += 1,
                    Outcome::Skipped | Outcome::Ungraded => {}
                }
            }
        }
        self.check_limits(&attempt.id, &parts);
        ScoredAttempt {
            id: attempt.id,
            user_id: attempt.user_id,
            ended: attempt.ended,
            is_final,
            total_time_spent: attempt.total_time_spent,
            parts: parts.into(),
            chapters: chapters.into(),
        }
    }

    /// More answers than a set allows are marked all the same, as in the backend; it is a problem.
    fn check_limits(&mut self, attempt: &str, tallies: &[Tally]) {
        for (part, tally) in self.quiz.parts.iter().zip(tallies) {
            let Some(set) = self.quiz.sets.get(part.set).filter(|set| set.is_limited) else { continue };
            let (answered, allowed) = (tally.answered(), set.allowed_with(tally));
            if answered > allowed {
                let set = part.set;
                let example = format!(
                    "session document {attempt}, question_sets[{set}]: {answered} answered of {allowed} allowed"
                );
                self.problems.add(ProblemKind::AnsweredBeyondLimit, example);
            }
        }
    }

    /// Ranks the cohort.
    ///
    /// # Errors
    /// [`RankError`] where polars refuses.
    pub fn finish(mut self) -> Result<Test, RankError> {
        let results = if self.quiz.kind == QuizKind::Form {
            self.forms.sort_by(|a, b| a.user_id.cmp(&b.user_id));
            TestResults::Form(self.forms)
        } else {
            self.scored.sort_by(|a, b| a.user_id.cmp(&b.user_id));
            let rankings = rank_all(&self.quiz, &self.scored)?;
            TestResults::Scored { attempts: self.scored, rankings, questions: self.questions }
        };
        Ok(Test {
            start: self.session.start.or(self.earliest),
            quiz: self.quiz,
            session: self.session,
            results,
            problems: self.problems,
        })
    }
}

fn rank_all(quiz: &Quiz, attempts: &[ScoredAttempt]) -> Result<Vec<Ranking>, RankError> {
    let mut columns = vec![Vec::with_capacity(attempts.len()); quiz.sections.len() + 1];
    for attempt in attempts {
        let (overall, sections) = attempt.scores(quiz);
        for (column, score) in columns.iter_mut().zip(std::iter::once(overall).chain(sections)) {
            column.push(score);
        }
    }
    columns.into_iter().map(|scores| rank_section(attempts, scores)).collect()
}

fn rank_section(attempts: &[ScoredAttempt], scores: Vec<Score>) -> Result<Ranking, RankError> {
    let of_final = attempts.iter().zip(&scores).filter(|(attempt, _)| attempt.is_final);
    let marks: Vec<f64> = of_final.map(|(_, score)| score.marks).collect();
    let (standings, figures) = rank::rank(&marks)?;
    let mut standings = standings.into_iter();
    let standings =
        attempts.iter().map(|attempt| if attempt.is_final { standings.next() } else { None }).collect();
    Ok(Ranking { figures, scores, standings })
}
