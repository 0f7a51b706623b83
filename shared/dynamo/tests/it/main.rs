//! Tests of the crate's public interface, one module for each subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests may panic and print"
)]

mod common;
mod late;
mod retries;
mod snapshots;
mod state_index;
mod states;
mod store;
