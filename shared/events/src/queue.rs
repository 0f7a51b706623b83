use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::cause::Cause;
use crate::envelope::QueueMessage;

/// Why a call to the queue failed; a retry may help. The message then stays in its queue.
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

/// Why a message is in the dead-letter queue: its message attributes `error_code`, `error` and
/// `parked_at` (RFC 3339).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkCause {
    /// Stable, for filters: `unknown_quiz`.
    pub code: String,
    /// One sentence for people.
    pub error: String,
    pub parked_at: Timestamp,
}

/// The queue that a batch came from.
#[async_trait]
pub trait SourceQueue: Send + Sync {
    /// Sends a copy of the message, with its body and `type` attribute unchanged, to the dead-letter queue with its cause. The
    /// caller acknowledges the message itself.
    async fn park(&self, message: &QueueMessage, cause: &ParkCause) -> Result<(), QueueError>;

    /// Sends a new message with this `type` attribute to the queue itself, visible after `delay`, at most 15 minutes; returns
    /// its id.
    async fn send(&self, body: &str, event_type: &str, delay: Duration) -> Result<String, QueueError>;

    /// Deletes settled messages now, before the batch's answer does, so that a crash does not return them.
    async fn acknowledge(&self, messages: &[&QueueMessage]) -> Result<(), QueueError>;

    /// Makes the message visible again after `delay`.
    async fn delay(&self, message: &QueueMessage, delay: Duration) -> Result<(), QueueError>;

    /// The number of receives after which the queue moves a message to its dead-letter queue; `None` if it never does.
    async fn max_receive_count(&self) -> Result<Option<u32>, QueueError>;
}
