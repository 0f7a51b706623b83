//! The Lambda sync-reports: SQS batches of quiz events become the reports of every student of the
//! tests they name. The same handler runs embedded in `quiz-etl demo` and `quiz-etl local`.

mod config;
mod connect;

pub use config::{Config, formats, snapshots_table, table_names};
pub use connect::connect;
