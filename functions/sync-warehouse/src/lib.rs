//! The Lambda sync-warehouse: SQS batches of quiz events become the result rows, in BigQuery, of the tests
//! they name.

mod config;
mod connect;

pub use config::{BigQueryCredentials, Config};
pub use connect::connect;
