//! The integration tests of the crate in one binary: each file covers one subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

mod cohort;
mod common;
mod fields;
mod form_answers;
mod laws;
mod quiz_documents;
mod raw;
mod readers;
mod reports;
mod rows;
mod scoring_table;
