//! The integration tests of the crate, in one binary: each module has one subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and say what it found"
)]

mod common;
mod heals;
mod keys;
mod outage;
mod outage_notices;
mod pass;
mod stale;
