//! What every Lambda of the pipeline needs beside its handler: its environment, secrets, logs, and the
//! way from Lambda's SQS event to messages and back.

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
