//! The Lambda sync-reports: SQS batches of quiz events become the reports of every student of the
//! tests they name. The same handler runs embedded in `quiz-etl demo` and `quiz-etl local`.

mod config;
mod connect;
mod handler;
mod mongo;

pub use config::{Config, ReportSettings, table_names};
pub use connect::connect;
pub use handler::Handler;
