use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::cause::Cause;
use crate::envelope::QueueMessage;

/// Why a call to the queue failed; a retry may help. The message then stays in its queue.
#[derive(Debug, Error)]
pub enum QueueError {
    /// A message was not parked or delayed.
    #[error("could not {action} message {message_id}: {cause}")]
    Message { action: &'static str, message_id: String, cause: Cause },
    /// Settled messages were not deleted, or some of them were; the rest return.
    #[error("could not delete {messages} settled messages from queue {queue}: {cause}")]
    Acknowledge { queue: String, messages: usize, cause: Cause },
    /// A follow-up was not sent. If the answer was lost, the follow-up may be in the queue all the same.
    #[error("could not send a follow-up to queue {queue}: {cause}")]
    Send { queue: String, cause: Cause },
    /// The redrive policy is unknown for now.
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
    /// When the consumer parked it.
    pub parked_at: Timestamp,
}

impl ParkCause {
    /// The code of a message whose `session_id` is the `_id` of an attempt. No sync of that id can succeed.
    pub const SESSION_ID_OF_ATTEMPT: &str = "session_id_of_attempt";
}

/// The queue that a batch came from.
///
/// The caller acknowledges a message only if a crash afterwards loses nothing: its results are written, a stored sync state
/// serves it, or [`SourceQueue::park`] returned `Ok`. Any other message returns, after the time given to
/// [`SourceQueue::delay`] or after the queue's visibility timeout.
///
/// # Examples
///
/// This consumer parks a message without an event. If parking fails, the message stays in the queue.
///
/// ```
/// use jiff::Timestamp;
/// use quiz_events::{ParkCause, QueueError, QueueMessage, SourceQueue};
///
/// async fn settle(message: &QueueMessage, queue: &dyn SourceQueue) -> Result<(), QueueError> {
///     if let Err(error) = message.event() {
///         let (code, error) = (error.code().to_owned(), error.to_string());
///         queue.park(message, &ParkCause { code, error, parked_at: Timestamp::now() }).await?;
///     }
///     queue.acknowledge(&[message]).await
/// }
/// # use std::{sync::Mutex, time::Duration};
/// # #[derive(Default)]
/// # struct Recorder(Mutex<Vec<String>>);
/// # #[async_trait::async_trait]
/// # impl SourceQueue for Recorder {
/// #     async fn park(&self, message: &QueueMessage, cause: &ParkCause) -> Result<(), QueueError> {
/// #         self.0.lock().unwrap().push(format!("{} parked: {}", message.message_id, cause.code));
/// #         Ok(())
/// #     }
/// #     async fn send(&self, _: &str, _: &str, _: Duration) -> Result<String, QueueError> {
/// #         unreachable!("no follow-up is sent")
/// #     }
/// #     async fn acknowledge(&self, messages: &[&QueueMessage]) -> Result<(), QueueError> {
/// #         self.0.lock().unwrap().extend(messages.iter().map(|message| format!("{} deleted", message.message_id)));
/// #         Ok(())
/// #     }
/// #     async fn delay(&self, _: &QueueMessage, _: Duration) -> Result<(), QueueError> {
/// #         unreachable!("no message is retried")
/// #     }
/// #     async fn max_receive_count(&self) -> Result<Option<u32>, QueueError> {
/// #         Ok(None)
/// #     }
/// # }
/// # let queue = Recorder::default();
///
/// let broken = QueueMessage { message_id: "m-1".into(), body: "not JSON".into(), ..QueueMessage::default() };
/// # futures::executor::block_on(async {
/// settle(&broken, &queue).await?;
/// # Ok::<(), QueueError>(())
/// # })?;
/// # let calls = queue.0.into_inner().unwrap();
/// assert_eq!(calls, ["m-1 parked: not_an_event", "m-1 deleted"]);
/// # Ok::<(), QueueError>(())
/// ```
#[async_trait]
pub trait SourceQueue: Send + Sync {
    /// Sends a copy of the message, with its body and `type` attribute unchanged, to the dead-letter queue with its cause. The
    /// caller acknowledges the message itself.
    ///
    /// # Errors
    /// [`QueueError::Message`] if the copy was not sent, or its answer was lost.
    async fn park(&self, message: &QueueMessage, cause: &ParkCause) -> Result<(), QueueError>;

    /// Sends a new message with this `type` attribute to the queue itself, visible after `delay`, at most 15 minutes; returns
    /// its id.
    ///
    /// # Errors
    /// [`QueueError::Send`]
    async fn send(&self, body: &str, event_type: &str, delay: Duration) -> Result<String, QueueError>;

    /// Deletes settled messages now, before the batch's answer does, so that a crash does not return them.
    ///
    /// # Errors
    /// [`QueueError::Acknowledge`] if at least one message was not deleted.
    async fn acknowledge(&self, messages: &[&QueueMessage]) -> Result<(), QueueError>;

    /// Makes the message visible again after `delay`.
    ///
    /// # Errors
    /// [`QueueError::Message`]; the message then returns after the queue's visibility timeout.
    async fn delay(&self, message: &QueueMessage, delay: Duration) -> Result<(), QueueError>;

    /// The number of receives after which the queue moves a message to its dead-letter queue; `None` if it never does.
    ///
    /// # Errors
    /// [`QueueError::RedrivePolicy`]
    async fn max_receive_count(&self) -> Result<Option<u32>, QueueError>;
}
