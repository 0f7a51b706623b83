//! The Lambda `sync-warehouse`: for each test session that an SQS batch names, it writes the result rows to BigQuery.

mod connect;

pub use connect::connect;
