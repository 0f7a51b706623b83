//! The Lambda sync-warehouse: SQS batches of quiz events become the result rows, in BigQuery, of the tests
//! they name.

mod connect;

pub use connect::connect;
