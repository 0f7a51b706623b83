//! What is measured, and with what: a large test in memory or as a mongodump folder, one sync of it by the real
//! engine, sinks that go no further than a measurement does, and what the operating system says of a process.
//! `docs/PERFORMANCE.md` has the commands and what they showed.

mod completions;
mod dump;
mod process;
mod run;
mod sinks;
mod stored;
mod table;

pub use completions::{Completion, completions};
pub use dump::Dump;
pub use process::{Usage, in_a_process, megabytes};
pub use run::sync;
pub use sinks::{Encoded, Nothing, ResultsFile, Staged};
pub use stored::{Stored, builder, read, stamp};
pub use table::Table;
