//! Queues and topics, as ports: what every function needs of them, whether it syncs or only tells.

mod backoff;
mod cause;
mod notices;
mod queue;

pub use backoff::{Backoff, MOST_RECEIVES};
pub use cause::{Cause, answer_of, with_causes};
pub use notices::Notices;
pub use queue::{ParkCause, QueueError, SourceQueue, SourceQueues};
