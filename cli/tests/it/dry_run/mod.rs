//! The dry run of syncs.

mod common;
mod difference;
mod interrupted;
mod run;
