use bson::{Document, RawDocument};
use jiff::Timestamp;
use rayon::prelude::ParallelSliceMut;

use crate::problem::{ProblemKind, Problems};
use crate::rank::ranking::{self, RankError};
use crate::rank::test_results::{FormAttempt, QuestionTally, Ranking, ScoredAttempt, Test, TestResults};
use crate::read::attempt::{AnswerRecord, Attempt, AttemptHead};
use crate::read::quiz::{Quiz, QuizKind};
use crate::read::raw::{Answers, RawQuiz};
use crate::read::test_session::TestSession;
use crate::read::value::Value;
use crate::score::outcomes::Outcomes;
use crate::score::scoring::{Judgement, Outcome, judge};
use crate::score::snapshot::{Snapshot, SnapshotWriter};
use crate::score::tally::Tally;

/// What a session document that was chosen for its user turned out to be.
#[derive(Debug)]
pub enum Taken {
    /// The user's attempt, as it was scored. The builder has kept its result.
    Attempt(Box<TakenAttempt>),
    /// The same, of which nobody wanted more than the result.
    Scored,
    /// No attempt: another of the user's documents is to be tried.
    NoAttempt { user_id: String },
    /// Left out, as a problem says.
    Unreadable,
}

/// An attempt with the outcome of each of its answers, both in the order of the quiz's questions. A form
/// has no outcomes.
#[derive(Debug)]
pub struct TakenAttempt {
    pub attempt: Attempt,
    pub judgements: Vec<Judgement>,
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
    raw: Option<RawQuiz>,
    raw_answers: Answers,
    snapshot: Option<SnapshotWriter>,
}

impl TestBuilder {
    /// `now` decides whether the test's window has closed: the session's end, else the quiz's.
    #[must_use]
    pub fn new(quiz: Quiz, session: TestSession, now: Timestamp, mut problems: Problems) -> Self {
        session.check(&mut problems);
        let window_closed = session.end.or(quiz.session_end).is_some_and(|end| end <= now);
        let questions = vec![QuestionTally::default(); quiz.questions.len()];
        Self {
            raw: RawQuiz::of(&quiz),
            raw_answers: Answers::default(),
            quiz,
            session,
            window_closed,
            earliest: None,
            scored: Vec::new(),
            forms: Vec::new(),
            questions,
            problems,
            snapshot: None,
        }
    }

    /// From now on also writes down what may be known to a later read.
    pub fn write_down(&mut self, snapshot: SnapshotWriter) {
        self.snapshot = Some(snapshot);
    }

    /// What was written down.
    pub fn take_written(&mut self) -> Option<SnapshotWriter> {
        self.snapshot.take()
    }

    #[must_use]
    pub fn quiz(&self) -> &Quiz {
        &self.quiz
    }

    pub fn problems(&mut self) -> &mut Problems {
        &mut self.problems
    }

    /// Takes the session document that was chosen for its user.
    pub fn take(&mut self, document: &Document) -> Taken {
        let mut problems = Problems::default();
        let attempt = Attempt::read(document, &self.quiz, &mut problems);
        let taken = match attempt {
            Some(attempt) if !attempt.is_attempt() => return Taken::NoAttempt { user_id: attempt.user_id },
            Some(attempt) => Taken::Attempt(Box::new(self.add(attempt))),
            None => Taken::Unreadable,
        };
        self.problems.merge(problems);
        taken
    }

    /// As [`TestBuilder::take`], of a document as it is stored. `None` where it is not of the usual shape: then
    /// nothing is taken, and it is to be decoded. An attempt is shown only where that is wanted.
    pub fn take_raw(&mut self, document: &RawDocument, wants_attempt: bool) -> Option<Taken> {
        let mut answers = std::mem::take(&mut self.raw_answers);
        let raw = self.raw.as_ref();
        let attempt = raw.and_then(|raw| raw.read(&self.quiz, document, &mut answers, wants_attempt));
        let taken = attempt.map(|attempt| {
            let outcomes = Outcomes::pack(answers.judgements.iter().copied().map(Some));
            if let Some(snapshot) = &mut self.snapshot {
                snapshot.add_read(&attempt, &outcomes);
            }
            self.score(&attempt, outcomes);
            if wants_attempt {
                let judgements = answers.judgements.clone();
                return Taken::Attempt(Box::new(TakenAttempt { attempt, judgements }));
            }
            Taken::Scored
        });
        self.raw_answers = answers;
        taken
    }

    /// Takes an attempt as an earlier read scored it; `false` where its document has to be read. What was odd about a
    /// document is told by each read, so such a one is in no snapshot.
    pub fn take_known(&mut self, head: &AttemptHead, snapshot: &Snapshot) -> bool {
        let Some((known, entry)) = snapshot.find(head, &self.quiz) else { return false };
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.add_known(entry);
        }
        let attempt = ScoredAttempt {
            id: head.id.clone(),
            user_id: head.user_id.clone(),
            ended: head.ended,
            is_final: head.ended,
            total_time_spent: known.total_time_spent,
            outcomes: known.outcomes,
        };
        self.keep(attempt, known.started);
        true
    }

    /// Whether a session document is of this quiz and yet no attempt: its user never started, and answered nothing.
    #[must_use]
    pub fn is_no_attempt(&self, document: &Document) -> bool {
        let attempt = Attempt::read(document, &self.quiz, &mut Problems::default());
        attempt.is_some_and(|attempt| !attempt.is_attempt())
    }

    fn begin_with(&mut self, started: Option<Timestamp>) {
        self.earliest = match (self.earliest, started) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    fn add(&mut self, attempt: Attempt) -> TakenAttempt {
        if self.quiz.kind == QuizKind::Form {
            self.begin_with(attempt.started);
            let answer = |record: &Option<AnswerRecord>| {
                record.as_ref().map_or(Value::Null, |record| record.answer.clone())
            };
            let answers = attempt.answers.iter().map(answer).collect();
            let (id, user_id) = (attempt.id.clone(), attempt.user_id.clone());
            self.forms.push(FormAttempt { id, user_id, answers });
            return TakenAttempt { attempt, judgements: Vec::new() };
        }
        attempt.check_shapes(&self.quiz, &mut self.problems);
        let judgements = self.judge(&attempt);
        let records = attempt.answers.iter().zip(&judgements);
        let outcomes = Outcomes::pack(records.map(|(record, judgement)| record.as_ref().map(|_| *judgement)));
        self.score(&attempt, outcomes);
        TakenAttempt { attempt, judgements }
    }

    /// The outcome of every question; one without a record is as good as skipped.
    fn judge(&self, attempt: &Attempt) -> Vec<Judgement> {
        let questions = self.quiz.questions.iter().zip(&attempt.answers);
        let judged = questions.map(|(question, record)| match (record, self.quiz.set_of(question)) {
            (Some(record), Some(set)) => judge(question, &set.marking, &record.answer),
            _ if question.counts() => Judgement { outcome: Outcome::Skipped, marks: 0.0 },
            _ => Judgement { outcome: Outcome::Ungraded, marks: 0.0 },
        });
        judged.collect()
    }

    fn score(&mut self, attempt: &Attempt, outcomes: Outcomes) {
        let scored = ScoredAttempt {
            id: attempt.id.clone(),
            user_id: attempt.user_id.clone(),
            ended: attempt.ended,
            is_final: attempt.ended || self.window_closed,
            total_time_spent: attempt.total_time_spent,
            outcomes,
        };
        self.keep(scored, attempt.started);
    }

    fn keep(&mut self, attempt: ScoredAttempt, started: Option<Timestamp>) {
        self.begin_with(started);
        if attempt.is_final {
            let outcomes = attempt.outcomes.of(&self.quiz);
            for ((question, outcome, _), tally) in outcomes.zip(&mut self.questions) {
                // one without a record is as good as skipped
                let without = if question.counts() { Outcome::Skipped } else { Outcome::Ungraded };
                let is_limited = || self.quiz.set_of(question).is_some_and(|set| set.is_limited);
                tally.add(outcome.unwrap_or(without), is_limited);
            }
        }
        if self.quiz.sets.iter().any(|set| set.is_limited) {
            self.check_limits(&attempt.id, &attempt.parts(&self.quiz));
        }
        self.scored.push(attempt);
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
            self.scored.par_sort_unstable_by(|a, b| a.user_id.cmp(&b.user_id));
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
            column.push(score.marks);
        }
    }
    // One after the other: polars itself sorts on all cores, in a pool of its own. A worker of another pool that waits for
    // polars would begin one section after the other, each on top of the last one's stack.
    columns.into_iter().map(|marks| rank_section(attempts, marks)).collect()
}

fn rank_section(attempts: &[ScoredAttempt], marks: Vec<f64>) -> Result<Ranking, RankError> {
    let of_final = attempts.iter().zip(&marks).filter(|(attempt, _)| attempt.is_final);
    let final_marks: Vec<f64> = of_final.map(|(_, marks)| *marks).collect();
    let (places, figures) = ranking::rank(&final_marks)?;
    let mut places = places.into_iter();
    let place = |attempt: &ScoredAttempt| if attempt.is_final { places.next().flatten() } else { None };
    let places = attempts.iter().map(place).collect();
    Ok(Ranking { figures, marks, places })
}
