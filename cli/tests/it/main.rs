//! The command line, and the dry run of `backfill` and `sync`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

mod command;
#[cfg(feature = "aws")]
mod dry_run;
#[cfg(feature = "aws")]
mod help;
#[cfg(not(feature = "aws"))]
mod without_aws;
