//! The rules of the pipeline, without I/O: what the Quiz Engine's documents mean, how an answer is
//! scored, who belongs to a test's cohort, how it is ranked, and what each report and row says.
//!
//! The path of one test: [`Quiz::read`] → [`TestBuilder::take`] for each session document that [`AttemptSelection`]
//! chooses → [`TestBuilder::finish`] → [`reports`] and [`rows`]. [`TestBuilder::take_raw`] is the quick way for
//! documents of the usual shape, as they are stored.
//!
//! Marks are rounded to two decimals (half to even on the exact binary value, as Python's `round`
//! does), and all times are instants; dates and clock times in reports are India's (UTC+05:30).

mod builder;
mod problem;
mod rank;
mod read;
pub mod reports;
mod round;
pub mod rows;
mod score;

pub use builder::{Taken, TakenAttempt, TestBuilder};
pub use problem::{Problem, ProblemKind, Problems};
pub use rank::histogram::Histogram;
pub use rank::ranking::{CohortFigures, RankError, Standing};
pub use rank::test_results::{FormAttempt, QuestionTally, Ranking, ScoredAttempt, Test, TestResults};
pub use read::attempt::{AnswerRecord, Attempt, AttemptHead, user_id};
pub use read::marking::{MarkingScheme, PartialRule};
pub use read::question::{Question, QuestionType};
pub use read::quiz::{Chapter, QuestionSet, Quiz, QuizError, QuizKind};
pub use read::selection::AttemptSelection;
pub use read::stored::{replaces, unreadable, why_unreadable};
pub use read::test_session::TestSession;
pub use read::time::{from_india, from_utc, in_india};
pub use read::value::Value;
pub use round::round2;
pub use score::scoring::{Judgement, Outcome, is_answered, judge};
pub use score::sections::{OVERALL, Part};
pub use score::snapshot::{Snapshot, SnapshotKey, SnapshotWriter};
pub use score::tally::{Score, Tally};
