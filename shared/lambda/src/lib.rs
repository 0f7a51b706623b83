//! What every Lambda of the pipeline needs, apart from its handler: settings, secrets, logs, AWS clients, and the entry
//! points for SQS events and schedules.
//!
//! A function's `main` reads its configuration ([`config`]), connects, and serves ([`sqs::serve`] or
//! [`schedule::serve`]). The CLI reads the same configuration.

pub mod aws;
mod background;
mod commit;
pub mod config;
mod env;
pub mod schedule;
pub mod secrets;
pub mod sqs;
#[cfg(feature = "sync")]
pub mod sync;
pub mod telemetry;

pub use background::begin;
pub use commit::Commit;
pub use env::{ConfigError, Environment};
pub use secrets::{NotPlain, Secret, SecretError, SecretSource};
