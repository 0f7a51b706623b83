use bson::{Document, RawDocument};
use jiff::Timestamp;
use rayon::prelude::ParallelSliceMut;

use crate::problem::{ProblemKind, Problems};
use crate::rank::ranking::{self, RankError};
use crate::rank::test_results::{
    AttemptResults, FormAttempt, QuestionTally, Ranking, ScoredAttempt, SessionResult,
};
use crate::read::attempt::{AnswerRecord, Attempt, AttemptHead};
use crate::read::quiz::{Quiz, QuizKind};
use crate::read::raw::{RawAnswers, RawQuiz};
use crate::read::test_session::TestSession;
use crate::read::value::Value;
use crate::score::outcomes::Outcomes;
use crate::score::scoring::{Judgement, Outcome, judge};
use crate::score::snapshot::{Snapshot, SnapshotWriter};
use crate::score::tally::Tally;

/// How [`SessionScorer`] treated a session document.
#[derive(Debug)]
pub enum TakenDocument {
    /// The document is an attempt. The builder kept its result.
    Attempt(Box<JudgedAttempt>),
    /// The document is an attempt, and the caller did not want to see it. The builder kept its result.
    Scored,
    /// The document is no attempt. The caller should try the user's next document.
    NoAttempt { user_id: String },
    /// The document is left out. A problem gives the cause.
    Unreadable,
}

/// An attempt with one judgement for each question, both in the order of the quiz's questions. An attempt at a form has no
/// judgements.
#[derive(Debug)]
pub struct JudgedAttempt {
    pub attempt: Attempt,
    pub judgements: Vec<Judgement>,
}

/// Scores the attempts of one test session one by one, and ranks them at the end.
///
/// The builder keeps only the result of each attempt, so memory stays small for large cohorts. See the crate's example.
#[derive(Debug)]
pub struct SessionScorer {
    quiz: Quiz,
    session: TestSession,
    is_window_closed: bool,
    earliest: Option<Timestamp>,
    scored: Vec<ScoredAttempt>,
    forms: Vec<FormAttempt>,
    questions: Vec<QuestionTally>,
    problems: Problems,
    raw: Option<RawQuiz>,
    raw_answers: RawAnswers,
    snapshot: Option<SnapshotWriter>,
}

impl SessionScorer {
    /// Starts an empty cohort. The window has closed where the session's end, else the quiz's, is not after `now`: then
    /// attempts that were never ended are ranked too.
    #[must_use]
    pub fn new(quiz: Quiz, session: TestSession, now: Timestamp, mut problems: Problems) -> Self {
        session.check(&mut problems);
        let is_window_closed = session.end.or(quiz.session_end).is_some_and(|end| end <= now);
        let questions = vec![QuestionTally::default(); quiz.questions.len()];
        Self {
            raw: RawQuiz::new(&quiz),
            raw_answers: RawAnswers::default(),
            quiz,
            session,
            is_window_closed,
            earliest: None,
            scored: Vec::new(),
            forms: Vec::new(),
            questions,
            problems,
            snapshot: None,
        }
    }

    /// From now on, also adds each attempt to a snapshot for the next sync.
    pub fn record_snapshot(&mut self, snapshot: SnapshotWriter) {
        self.snapshot = Some(snapshot);
    }

    /// Returns the snapshot of the attempts so far.
    pub fn take_snapshot(&mut self) -> Option<SnapshotWriter> {
        self.snapshot.take()
    }

    #[must_use]
    pub fn quiz(&self) -> &Quiz {
        &self.quiz
    }

    pub fn problems(&mut self) -> &mut Problems {
        &mut self.problems
    }

    /// Reads and scores the session document that [`AttemptSelection`](crate::AttemptSelection) chose for a user.
    pub fn take(&mut self, document: &Document) -> TakenDocument {
        let mut problems = Problems::default();
        let attempt = Attempt::read(document, &self.quiz, &mut problems);
        let taken = match attempt {
            Some(attempt) if !attempt.is_attempt() => {
                return TakenDocument::NoAttempt { user_id: attempt.user_id };
            }
            Some(attempt) => TakenDocument::Attempt(Box::new(self.add(attempt))),
            None => TakenDocument::Unreadable,
        };
        self.problems.merge(problems);
        taken
    }

    /// Does the same as [`SessionScorer::take`] on stored bytes. `None` where the document does not have the usual shape: the
    /// caller must decode it and call [`SessionScorer::take`]. The attempt is returned only with `include_attempt`.
    pub fn take_raw(&mut self, document: &RawDocument, include_attempt: bool) -> Option<TakenDocument> {
        let mut answers = std::mem::take(&mut self.raw_answers);
        let raw = self.raw.as_ref();
        let attempt = raw.and_then(|raw| raw.read(&self.quiz, document, &mut answers, include_attempt));
        let taken = attempt.map(|attempt| {
            let outcomes = Outcomes::pack(answers.judgements.iter().copied().map(Some));
            if let Some(snapshot) = &mut self.snapshot {
                snapshot.add_read(&attempt, &outcomes);
            }
            self.score(&attempt, outcomes);
            if include_attempt {
                let judgements = answers.judgements.clone();
                return TakenDocument::Attempt(Box::new(JudgedAttempt { attempt, judgements }));
            }
            TakenDocument::Scored
        });
        self.raw_answers = answers;
        taken
    }

    /// Takes an attempt from the snapshot of an earlier sync. `false` where the snapshot does not hold its current state:
    /// the caller must read the document. An unusual document is never in a snapshot, so every sync reports its problems.
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

    /// Whether a session document belongs to this quiz and is no attempt: the user never started and answered nothing.
    #[must_use]
    pub fn is_untouched(&self, document: &Document) -> bool {
        let attempt = Attempt::read(document, &self.quiz, &mut Problems::default());
        attempt.is_some_and(|attempt| !attempt.is_attempt())
    }

    fn note_start(&mut self, started: Option<Timestamp>) {
        self.earliest = match (self.earliest, started) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    fn add(&mut self, attempt: Attempt) -> JudgedAttempt {
        if self.quiz.kind == QuizKind::Form {
            self.note_start(attempt.started);
            let answer = |record: &Option<AnswerRecord>| {
                record.as_ref().map_or(Value::Null, |record| record.answer.clone())
            };
            let answers = attempt.answers.iter().map(answer).collect();
            let (id, user_id) = (attempt.id.clone(), attempt.user_id.clone());
            self.forms.push(FormAttempt { id, user_id, answers });
            return JudgedAttempt { attempt, judgements: Vec::new() };
        }
        attempt.check_shapes(&self.quiz, &mut self.problems);
        let judgements = self.judge(&attempt);
        let records = attempt.answers.iter().zip(&judgements);
        let outcomes = Outcomes::pack(records.map(|(record, judgement)| record.as_ref().map(|_| *judgement)));
        self.score(&attempt, outcomes);
        JudgedAttempt { attempt, judgements }
    }

    /// Judges every question. A question without a record counts as skipped.
    fn judge(&self, attempt: &Attempt) -> Vec<Judgement> {
        let questions = self.quiz.questions.iter().zip(&attempt.answers);
        let judged = questions.map(|(question, record)| match (record, self.quiz.set_containing(question)) {
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
            is_final: attempt.ended || self.is_window_closed,
            total_time_spent: attempt.total_time_spent,
            outcomes,
        };
        self.keep(scored, attempt.started);
    }

    fn keep(&mut self, attempt: ScoredAttempt, started: Option<Timestamp>) {
        self.note_start(started);
        if attempt.is_final {
            let outcomes = attempt.outcomes.by_question(&self.quiz);
            for ((question, outcome, _), tally) in outcomes.zip(&mut self.questions) {
                // a question without a record counts as skipped
                let without_record = if question.counts() { Outcome::Skipped } else { Outcome::Ungraded };
                let is_limited = || self.quiz.set_containing(question).is_some_and(|set| set.is_limited);
                tally.add(outcome.unwrap_or(without_record), is_limited);
            }
        }
        if self.quiz.sets.iter().any(|set| set.is_limited) {
            self.check_limits(&attempt.id, &attempt.parts(&self.quiz));
        }
        self.scored.push(attempt);
    }

    /// Reports more answers than a set allows as a problem. They get marks all the same, as in the backend.
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

    /// Ranks the final attempts.
    ///
    /// # Errors
    /// [`RankError`] where polars fails, for example for lack of memory.
    pub fn finish(mut self) -> Result<SessionResult, RankError> {
        let results = if self.quiz.kind == QuizKind::Form {
            self.forms.sort_by(|a, b| a.user_id.cmp(&b.user_id));
            AttemptResults::Form(self.forms)
        } else {
            self.scored.par_sort_unstable_by(|a, b| a.user_id.cmp(&b.user_id));
            let rankings = rank_all(&self.quiz, &self.scored)?;
            AttemptResults::Scored { attempts: self.scored, rankings, questions: self.questions }
        };
        Ok(SessionResult {
            start: self.session.start.or(self.earliest),
            quiz: self.quiz,
            session: self.session,
            results,
            problems: self.problems,
        })
    }
}

/// Ranks the whole test and each section.
fn rank_all(quiz: &Quiz, attempts: &[ScoredAttempt]) -> Result<Vec<Ranking>, RankError> {
    let mut columns = vec![Vec::with_capacity(attempts.len()); quiz.sections.len() + 1];
    for attempt in attempts {
        let (overall, sections) = attempt.scores(quiz);
        for (column, score) in columns.iter_mut().zip(std::iter::once(overall).chain(sections)) {
            column.push(score.marks);
        }
    }
    // Rank the sections one after the other. polars already sorts on all cores, in its own pool. A worker of another pool
    // that waits for polars would start the next section on top of its own stack, until the stack overflows.
    columns.into_iter().map(|marks| rank_section(attempts, marks)).collect()
}

fn rank_section(attempts: &[ScoredAttempt], marks: Vec<f64>) -> Result<Ranking, RankError> {
    let final_attempts = attempts.iter().zip(&marks).filter(|(attempt, _)| attempt.is_final);
    let final_marks: Vec<f64> = final_attempts.map(|(_, marks)| *marks).collect();
    let (ranked, figures) = ranking::rank(&final_marks)?;
    // give each final attempt its standing; the others have none
    let mut ranked = ranked.into_iter();
    let standing = |attempt: &ScoredAttempt| if attempt.is_final { ranked.next().flatten() } else { None };
    let standings = attempts.iter().map(standing).collect();
    Ok(Ranking { figures, marks, standings })
}
