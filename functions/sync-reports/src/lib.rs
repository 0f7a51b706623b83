//! The Lambda sync-reports: SQS batches of quiz events become the reports of every student of the
//! tests they name. The same handler runs embedded in `quiz-etl demo` and `quiz-etl local`.

mod connect;

pub use connect::connect;
