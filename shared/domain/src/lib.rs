//! The rules of the pipeline, without I/O: what the Quiz Engine's documents mean, how an answer is
//! scored, who belongs to a test's cohort, how it is ranked, and what each report and row says.
//!
//! The path of one test: [`Quiz::read`] → [`TestBuilder::take`] for each session document that [`AttemptSelection`]
//! chooses → [`TestBuilder::finish`] → [`reports`] and [`rows`]. [`TestBuilder::take_raw`] is the quick way for
//! documents of the usual shape, as they are stored.
//!
//! Marks are rounded to two decimals (half to even on the exact binary value, as Python's `round`
//! does), and all times are instants; dates and clock times in reports are India's (UTC+05:30).

mod attempt;
mod builder;
mod fields;
mod histogram;
mod marking;
mod outcomes;
mod problem;
mod question;
mod quiz;
mod rank;
mod raw;
pub mod reports;
mod round;
pub mod rows;
mod scoring;
mod sections;
mod selection;
mod snapshot;
mod stored;
mod tally;
mod test_results;
mod test_session;
mod time;
mod value;

pub use attempt::{AnswerRecord, Attempt, AttemptHead, user_id};
pub use builder::{Taken, TakenAttempt, TestBuilder};
pub use histogram::Histogram;
pub use marking::{MarkingScheme, PartialRule};
pub use problem::{Problem, ProblemKind, Problems};
pub use question::{Question, QuestionType};
pub use quiz::{Chapter, QuestionSet, Quiz, QuizError, QuizKind};
pub use rank::{CohortFigures, RankError, Standing};
pub use round::round2;
pub use scoring::{Judgement, Outcome, is_answered, judge};
pub use sections::{OVERALL, Part};
pub use selection::AttemptSelection;
pub use snapshot::{Snapshot, SnapshotKey, SnapshotWriter};
pub use stored::{replaces, unreadable, why_unreadable};
pub use tally::{Score, Tally};
pub use test_results::{FormAttempt, QuestionTally, Ranking, ScoredAttempt, Test, TestResults};
pub use test_session::TestSession;
pub use time::{from_india, from_utc, in_india};
pub use value::Value;
