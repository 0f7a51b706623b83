//! The crate's tests from outside, in one program: each file is one subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and say what it found"
)]

mod attempt_ids;
mod burst;
mod common;
mod crashes;
mod drive;
mod empty_attempts;
mod fuzz;
mod odd_dumps;
mod oracle;
mod queue;
mod source;
mod steps;
mod store;
mod unchanged;
mod warehouse;
