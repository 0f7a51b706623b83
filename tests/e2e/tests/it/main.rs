//! The crate's tests from outside, in one program: each file is one subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and say what it found"
)]

mod architecture;
mod audit;
mod backfill;
mod burst;
mod dead_letters;
mod doctor;
mod dry_run;
mod erase;
mod incremental;
mod kept_tables;
mod keyless;
mod layers;
mod local_equals_lambda;
mod nothing_lost;
mod notices_end_to_end;
mod outage;
mod permissions;
mod poison;
mod publishing;
mod readers;
mod reconcile;
mod release;
mod report_digests;
mod reports_end_to_end;
mod restore;
mod runbook;
mod stack;
mod status;
mod template;
mod upgrade;
mod warehouse_end_to_end;
mod warehouse_killed;
