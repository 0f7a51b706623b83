//! One suite of assertions for each port, run on every adapter of the port: the embedded adapters in `shared/local`, and
//! those of MongoDB, DynamoDB, BigQuery and SQS against real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::missing_panics_doc,
    reason = "a suite is test code: it panics where the adapter is wrong"
)]

pub mod contents;
pub mod exam;
pub mod function;
pub mod hooked;
pub mod parquet;
pub mod queue;
pub mod reports;
pub mod snapshots;
pub mod source;
pub mod state;
pub mod store;
pub mod unchanged;
pub mod warehouse;
