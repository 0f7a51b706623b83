use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::cause::Cause;
use crate::envelope::QueueMessage;

/// Why the queue could not be asked or told; a retry may help. A message then stays in its queue.
#[derive(Debug, Error)]
pub enum QueueError {
    #[error("could not {action} message {message_id}: {cause}")]
    Message { action: &'static str, message_id: String, cause: Cause },
    #[error("could not delete {messages} settled messages from queue {queue}: {cause}")]
    Acknowledge { queue: String, messages: usize, cause: Cause },
    #[error("could not send a follow-up to queue {queue}: {cause}")]
    Send { queue: String, cause: Cause },
    #[error("could not read the redrive policy: {cause}")]
    RedrivePolicy { cause: Cause },
}

/// Why a message lies in the dead-letter queue: its message attributes `error_code`, `error` and
/// `parked_at` (RFC 3339).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkCause {
    /// Stable, for filters: `unknown_quiz`.
    pub code: String,
    /// One sentence for a person.
    pub error: String,
    pub parked_at: Timestamp,
}

/// The queue that a batch came from.
#[async_trait]
pub trait SourceQueue: Send + Sync {
    /// Sends a copy of the message, its body and `type` attribute untouched, to the queue's dead-letter
    /// queue with its cause. The message itself is left to be acknowledged.
    async fn park(&self, message: &QueueMessage, cause: &ParkCause) -> Result<(), QueueError>;

    /// Sends a new message to the queue itself, with this `type` attribute, to be received no sooner than after
    /// `delay`, or 15 minutes where that is longer; returns its id.
    async fn send(&self, body: &str, event_type: &str, delay: Duration) -> Result<String, QueueError>;

    /// Deletes settled messages now, before the batch's answer does: should the process end, they do not come back.
    async fn acknowledge(&self, messages: &[&QueueMessage]) -> Result<(), QueueError>;

    /// Lets the message be received again no sooner than after `delay`.
    async fn delay(&self, message: &QueueMessage, delay: Duration) -> Result<(), QueueError>;

    /// After how many receives the queue gives a message up to its dead-letter queue; `None` where it
    /// never does.
    async fn max_receive_count(&self) -> Result<Option<u32>, QueueError>;
}
