//! The dry run of syncs.

mod common;
mod difference;
mod run;
