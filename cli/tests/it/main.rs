//! The command as a person runs it, and the dry run on which `backfill` and `sync` rest.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod command;
mod dry_run;
mod help;
