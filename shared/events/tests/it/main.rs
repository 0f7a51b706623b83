//! The crate's tests from outside, in one program: each file is one subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and say what it found"
)]

mod entries;
mod events;
mod fuzz;
mod publishing;
mod stored;
