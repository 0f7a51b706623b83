//! Helpers of the benchmarks: a large test session in memory or as a mongodump folder, one sync of it by the real engine,
//! sinks that write to no service, and the resource usage of a process. `docs/PERFORMANCE.md` has the commands and the
//! results.

mod assessment;
mod completions;
mod dump;
mod http;
mod process;
mod run;
mod sinks;
mod table;

pub use assessment::{LoadedAssessment, builder, read, stamp};
pub use completions::{Completion, completions};
pub use dump::Dump;
pub use http::read_request;
pub use process::{Usage, megabytes, run_in_process};
pub use run::sync;
pub use sinks::{DiscardingSink, EncodingStore, EncodingWarehouse, ResultsCsv};
pub use table::MarkdownTable;
