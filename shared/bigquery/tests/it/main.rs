//! The crate's tests from outside, in one program: each file is one subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and say what it found"
)]

mod common;
mod credentials;
mod existing;
mod faults;
mod keyless;
mod warehouse;
