//! A dry run: tests are read, scored and ranked by the very code that syncs them, and what it would write is
//! compared with what is stored. Nothing is written.

mod changes;
mod comparing;
mod comparison;
mod counting;
mod difference;
mod digest;
mod failure;
mod one_test;
mod progress;
mod run;
mod tee;
mod tried;
mod view;

pub use changes::{Change, LargestChanges, OldAndNew};
pub use comparing::CanHold;
pub use difference::{ItemCounts, ReportCounts, TableRows, TestDifference};
pub use failure::Failure;
pub use one_test::{DryRun, TestToTry};
pub use run::{run, try_all};
pub use tried::{FailedTest, Tried};
