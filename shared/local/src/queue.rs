//! A queue in memory that behaves like an SQS standard queue with a dead-letter queue.

mod messages;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use quiz_events::{ParkCause, QueueError, QueueMessage, SourceQueue};
use quiz_pipeline::ports::Clock;
use thiserror::Error;
use tokio::sync::Notify;

use messages::Messages;

/// The longest visibility timeout in SQS: 12 hours.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(12);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// How long a received message is hidden.
    pub visibility_timeout: Duration,
    /// Receives of a message before it moves to the dead-letter queue; `None` for no limit.
    pub max_receive_count: Option<u32>,
}

/// Why the visibility of a message was not changed. A retry cannot help.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum VisibilityError {
    #[error("receipt handle {0:?} belongs to no message or is stale")]
    UnknownReceipt(String),
    #[error("message with receipt handle {0:?} is already visible again")]
    NotInFlight(String),
    #[error("a visibility timeout of {} s is longer than 12 hours", .0.as_secs())]
    TooLong(Duration),
}

/// A message in the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The id of the parked copy, or of the message itself where the queue reached its receive limit.
    pub message_id: String,
    pub body: String,
    /// Message attributes: `type` where the sender set it; `error_code`, `error` and `parked_at` where
    /// it was parked.
    pub attributes: BTreeMap<String, String>,
    pub sent_at: Timestamp,
}

/// The queue. A receipt handle is valid until the message is received again: then the older handle deletes nothing and
/// cannot change the visibility. (In SQS such a delete also succeeds without deleting.)
///
/// Unlike SQS the queue keeps the order of sending, never hands a message to two receivers at a time, and has no
/// retention period.
pub struct MemoryQueue {
    settings: QueueSettings,
    clock: Arc<dyn Clock>,
    messages: Mutex<Messages>,
    changed: Notify,
}

impl MemoryQueue {
    #[must_use]
    pub fn new(settings: QueueSettings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock, messages: Mutex::default(), changed: Notify::new() }
    }

    /// Adds a message and returns its id. `event_type` is the message attribute `type`.
    pub fn send(&self, body: impl Into<Arc<str>>, event_type: Option<&str>) -> String {
        self.send_later(body, event_type, Duration::ZERO)
    }

    /// As [`MemoryQueue::send`], with a message that is hidden until `delay` is over.
    pub fn send_later(&self, body: impl Into<Arc<str>>, event_type: Option<&str>, delay: Duration) -> String {
        let now = self.clock.now();
        let visible_at = after(now, delay);
        let id = self.messages().send(body.into(), event_type.map(str::to_owned), now, visible_at);
        self.changed.notify_one();
        id
    }

    /// Receives up to `most` visible messages and hides them for the queue's visibility timeout.
    pub fn receive(&self, most: usize) -> Vec<QueueMessage> {
        self.receive_for(most, self.settings.visibility_timeout)
    }

    /// As [`MemoryQueue::receive`], with another visibility timeout.
    pub fn receive_for(&self, most: usize, visibility_timeout: Duration) -> Vec<QueueMessage> {
        let now = self.clock.now();
        let until = after(now, visibility_timeout);
        self.messages().receive(most, now, until, self.settings.max_receive_count)
    }

    /// Deletes a message. Returns whether a message was deleted.
    pub fn delete(&self, receipt_handle: &str) -> bool {
        self.messages().delete(receipt_handle)
    }

    /// Hides a received message for `timeout` from now; zero makes the message visible at once.
    ///
    /// # Errors
    /// [`VisibilityError`] where the message is not hidden by this receipt, or `timeout` is over 12 hours.
    pub fn change_visibility(&self, receipt_handle: &str, timeout: Duration) -> Result<(), VisibilityError> {
        if timeout > LONGEST_TIMEOUT {
            return Err(VisibilityError::TooLong(timeout));
        }
        let now = self.clock.now();
        self.messages().hide_until(receipt_handle, now, after(now, timeout))?;
        self.changed.notify_one();
        Ok(())
    }

    /// When the next hidden message becomes visible; `None` where no message is hidden.
    #[must_use]
    pub fn next_visible_at(&self) -> Option<Timestamp> {
        self.messages().next_visible_at(self.clock.now())
    }

    /// Messages that can be received now.
    #[must_use]
    pub fn visible(&self) -> usize {
        self.messages().visible(self.clock.now())
    }

    /// Messages in the queue, visible or hidden.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The messages in the dead-letter queue, the oldest first.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.messages().dead_letters.clone()
    }

    /// Removes and returns the dead letters for which `which` is true, the oldest first.
    pub fn take_dead_letters(&self, which: impl Fn(&DeadLetter) -> bool) -> Vec<DeadLetter> {
        let mut messages = self.messages();
        let (taken, left) = std::mem::take(&mut messages.dead_letters).into_iter().partition(which);
        messages.dead_letters = left;
        taken
    }

    #[must_use]
    pub fn dead_letter_count(&self) -> usize {
        self.messages().dead_letters.len()
    }

    /// Waits until a message is sent or a message's visibility changes.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn after(now: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    now.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

#[async_trait]
impl SourceQueue for MemoryQueue {
    async fn send(&self, body: &str, event_type: &str, delay: Duration) -> Result<String, QueueError> {
        Ok(self.send_later(body, Some(event_type), delay))
    }

    async fn park(&self, message: &QueueMessage, cause: &ParkCause) -> Result<(), QueueError> {
        let now = self.clock.now();
        self.messages().park(message, cause, now);
        Ok(())
    }

    async fn acknowledge(&self, messages: &[&QueueMessage]) -> Result<(), QueueError> {
        for message in messages {
            self.delete(&message.receipt_handle);
        }
        Ok(())
    }

    async fn delay(&self, message: &QueueMessage, delay: Duration) -> Result<(), QueueError> {
        self.change_visibility(&message.receipt_handle, delay).map_err(|cause| QueueError::Message {
            action: "delay",
            message_id: message.message_id.clone(),
            cause: Box::new(cause),
        })
    }

    async fn max_receive_count(&self) -> Result<Option<u32>, QueueError> {
        Ok(self.settings.max_receive_count)
    }
}
