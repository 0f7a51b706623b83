//! The Lambda notify-discord posts SQS batches of notices to a Discord channel.
//!
//! [`Notifier`] handles a batch. [`Memory`] keeps what is posted, so that a redelivered notice is not posted again and a
//! shared card is edited. Decisions: `docs/decisions/0007-notices.md`, `docs/decisions/0014-outages.md`.

mod audit;
mod channel;
mod connect;
mod dynamo_memory;
mod failure;
mod memory;
mod notifier;
mod shared_card;

pub use channel::Channel;
pub use connect::{LazyChannel, connect};
pub use dynamo_memory::DynamoMemory;
pub use memory::{Memory, MemoryError, Recalled, Shown, Tries};
pub use notifier::Notifier;
