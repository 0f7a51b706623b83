//! The pipeline's ports on one machine: answers from a dump, reports in SQLite, result rows in Parquet files, and a
//! queue in memory.

mod drive;
mod dump;
mod file_name;
mod queue;
mod store;
mod warehouse;

pub use drive::{DriveReport, drive};
pub use dump::{DumpError, DumpSource, DumpedQuiz};
pub use file_name::{file_name, remove_former};
pub use queue::{DeadLetter, MemoryQueue, QueueSettings, VisibilityError};
pub use store::{OpenError, SqliteStore};
pub use warehouse::ParquetWarehouse;
