//! The command as a person runs it, and the dry run on which `backfill` and `sync` rest.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and say what it found"
)]

mod command;
mod dry_run;
mod help;
