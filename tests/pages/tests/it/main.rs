//! What pages name is there: files, headings, packages, targets, tests.
#![allow(clippy::unwrap_used, reason = "a test may panic, and say what it found")]

mod commands;
mod decisions;
mod links;
mod paths;
