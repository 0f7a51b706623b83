//! What a sync would change, without a change.

mod common;
mod difference;
mod interrupted;
mod run;
