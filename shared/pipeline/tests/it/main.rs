//! The crate's tests from outside, in one program: each file is one subject.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod batch;
mod common;
mod coordination;
mod incremental;
mod joint_commit;
mod metrics;
mod notices;
