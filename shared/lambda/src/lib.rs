//! What every Lambda of the pipeline needs, apart from its handler: settings, secrets, logs, AWS clients, and the entry
//! points for SQS events and schedules.
//!
//! A function's `main` reads its configuration ([`config`]), connects, and serves (`sqs::serve` or
//! `schedule::serve`). The CLI reads the same configuration, and its embedded runs use the same handler; they need the
//! feature `pipeline` only, and no client of AWS.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "aws")]
mod background;
mod commit;
pub mod config;
mod env;
#[cfg(feature = "aws")]
pub mod schedule;
pub mod secrets;
pub mod sqs;
#[cfg(feature = "pipeline")]
pub mod sync;
#[cfg(feature = "aws")]
pub mod telemetry;

#[cfg(feature = "aws")]
pub use background::begin;
pub use commit::Commit;
pub use env::{ConfigError, Environment};
#[cfg(feature = "aws")]
pub use secrets::SecretError;
pub use secrets::{NotPlain, Secret, SecretSource};
