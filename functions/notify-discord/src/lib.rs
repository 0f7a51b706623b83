//! The Lambda notify-discord: SQS batches of notices become messages in a Discord channel.

mod batch;
mod channel;
mod connect;
mod dynamo_memory;
mod failure;
mod memory;
mod shared_card;

pub use batch::Notifier;
pub use channel::Channel;
pub use connect::{LazyChannel, connect};
pub use dynamo_memory::DynamoMemory;
pub use memory::{Memory, MemoryError, Recalled, Shown, Tries};
