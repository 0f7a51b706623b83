//! The Lambda notify-discord: SQS batches of notices become messages in a Discord channel.

mod batch;
mod config;
mod connect;
mod handler;
mod memory;

pub use batch::Notifier;
pub use config::{Config, DiscordSource};
pub use connect::{Channel, connect};
pub use handler::Handler;
pub use memory::{DynamoMemory, Memory, MemoryError};
