//! Scores and ranks the attempts of one test session, and makes its report items and warehouse rows.
//!
//! The Quiz Engine stores quizzes, questions and attempts as MongoDB documents. Students may resume an attempt, so
//! one student can have several documents. Old documents lack fields, and numbers come in any BSON type. This crate
//! holds every rule for such documents. It does no I/O: a caller passes documents in and writes the results out.
//!
//! One test session takes this path:
//!
//! 1. [`Quiz::read`] reads the quiz and its questions.
//! 2. [`AttemptSelection`] chooses one document for each student.
//! 3. [`SessionScorer::take`] reads and scores each chosen document. [`SessionScorer::take_raw`] does the same faster for
//!    a document of the usual shape.
//! 4. [`SessionScorer::finish`] ranks the participants.
//! 5. [`reports`] makes the DynamoDB items and [`rows`] makes the warehouse rows.
//!
//! Invariants:
//!
//! - The same documents give the same bytes, in any order of the documents.
//! - Marks equal those of the Quiz Engine's backend. They are rounded to two decimals as Python's `round` rounds.
//! - A defect in an attempt becomes a counted [`Problem`]. It never stops the test session. Only a quiz whose questions,
//!   limits or marks cannot be read is refused ([`QuizError`]).
//! - All times are instants. Dates and clock times in reports are in India time (UTC+05:30).
//!
//! The decision `docs/decisions/0004-what-does-not-fit.md` says which rules hold for defects; [`Problems`] counts each kind.
//!
//! # Rank a cohort
//!
//! ```
//! use bson::doc;
//! use quiz_domain::{Quiz, Standing, TakenDocument, SessionScorer, AttemptResults, TestSession};
//!
//! let question = doc! {"_id": "q1", "type": "single-choice", "text": "1 + 1?", "correct_answer": [2]};
//! let marking = doc! {"correct": 4, "wrong": -1, "skipped": 0};
//! let set = doc! {"title": "Physics", "marking_scheme": marking, "questions": [question]};
//! let (quiz, problems) = Quiz::read(&doc! {"_id": "quiz", "question_sets": [set]}, &[])?;
//! let now = "2026-05-01T12:00:00Z".parse()?;
//! let mut builder = SessionScorer::new(quiz, TestSession::default(), now, problems);
//! for (id, user_id, option) in [("a1", "asha", 2), ("a2", "ravi", 0), ("a3", "zoya", 2)] {
//!     let attempt = doc! {
//!         "_id": id, "user_id": user_id, "quiz_id": "quiz", "has_quiz_ended": true,
//!         "session_answers": [{"question_id": "q1", "answer": [option]}],
//!     };
//!     assert!(matches!(builder.take(&attempt), TakenDocument::Attempt(_)));
//! }
//!
//! let test = builder.finish()?;
//! assert!(test.problems.is_empty());
//! let AttemptResults::Scored { rankings, .. } = &test.results else { unreachable!("the quiz is no form") };
//! let overall = rankings.first().ok_or("the whole test is always ranked")?;
//! assert_eq!(overall.marks, [4.0, -1.0, 4.0]);
//! let standings: Vec<Standing> = overall.standings().flatten().collect();
//! assert_eq!(standings.iter().map(|standing| standing.rank).collect::<Vec<_>>(), [1, 3, 1]);
//! assert_eq!(standings.first().map(|standing| standing.percentile), Some(100.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Score one answer
//!
//! ```
//! use bson::{bson, doc};
//! use quiz_domain::{Outcome, Quiz, Value, judge};
//!
//! let question = doc! {"_id": "q1", "type": "numerical-float", "correct_answer": 1.25};
//! let set = doc! {"questions": [question], "marking_scheme": {"correct": 4, "wrong": -1, "skipped": 0}};
//! let (quiz, _) = Quiz::read(&doc! {"_id": "quiz", "question_sets": [set]}, &[])?;
//! let (question, marking) = (&quiz.questions[0], &quiz.sets[0].marking);
//!
//! let judgement = judge(question, marking, &Value::read(Some(&bson!(1.29))));
//! assert_eq!((judgement.outcome, judgement.marks), (Outcome::Correct, 4.0));
//! let judgement = judge(question, marking, &Value::read(Some(&bson!(1.4))));
//! assert_eq!((judgement.outcome, judgement.marks), (Outcome::Wrong, -1.0));
//! # Ok::<(), quiz_domain::QuizError>(())
//! ```

mod builder;
mod problem;
mod rank;
mod read;
pub mod reports;
mod round;
pub mod rows;
mod score;

pub use builder::{JudgedAttempt, SessionScorer, TakenDocument};
pub use problem::{Problem, ProblemKind, Problems};
pub use rank::histogram::Histogram;
pub use rank::ranking::{CohortFigures, RankError, Standing};
pub use rank::test_results::{
    AttemptResults, FormAttempt, QuestionTally, Ranking, ScoredAttempt, SessionResult,
};
pub use read::attempt::{AnswerRecord, Attempt, AttemptHead, user_id};
pub use read::marking::{MarkingScheme, PartialRule};
pub use read::priority::ChapterPriority;
pub use read::question::{Question, QuestionType};
pub use read::quiz::{Chapter, QuestionSet, Quiz, QuizError, QuizKind};
pub use read::selection::AttemptSelection;
pub use read::stored::{replaces, unreadable, unreadable_cause};
pub use read::test_session::TestSession;
pub use read::time::{read_india_time, read_utc_time, to_india_time};
pub use read::value::Value;
pub use round::round2;
pub use score::key_digest::KeyDigest;
pub use score::scoring::{Judgement, Outcome, is_answered, judge};
pub use score::sections::{OVERALL, SectionPart};
pub use score::snapshot::{Snapshot, SnapshotKey, SnapshotWriter};
pub use score::tally::{Score, Tally};
