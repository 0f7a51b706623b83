//! A dry run shows what a sync would change, and writes nothing.
//!
//! It reads, scores and ranks test sessions with the engine of a real sync. In place of the sinks it has a store that
//! compares new items with stored ones (`comparing`, `comparison`) and a warehouse that counts rows (`counting`); both
//! get the attempts of one read (`tee`).

mod changes;
mod comparing;
mod comparison;
mod counting;
mod difference;
mod digest;
mod failure;
mod one_session;
mod progress;
mod run;
mod tee;
mod tried;
mod view;

pub use changes::{Change, LargestChanges, OldAndNew};
pub use comparing::CanHold;
pub use difference::{ItemCounts, ReportCounts, SessionDifference, TableRows};
pub use failure::Failure;
pub use one_session::{DryRun, SessionToTry};
pub use run::{run, try_all};
pub use tried::{FailedSession, Tried};
