//! Receives each visible message of a queue once.
//!
//! SQS has no list of a queue's messages: a receive returns some of them and hides those for a time. So the scan receives
//! in rounds until the queue is exhausted. Three facts make the end hard to see:
//!
//! - SQS's count of visible messages is approximate. So the scan ends when the count is 0, or after [`QUIET_ROUNDS`]
//!   rounds without a message.
//! - A message whose hold ran out comes again. So the scan remembers all ids, and ends when more repeats came than it
//!   has seen messages.
//! - Another consumer may hold messages; [`Coverage`] counts those.
//!
//! [`Scan::finish`] makes all held messages visible again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
};
use futures::StreamExt;
use futures::future::join_all;
use tokio::time::Instant;

use crate::error::SqsError;

/// Says whether to stop. It is called before each step; a step that has begun is finished.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Send + Sync);

/// Concurrent requests.
const RECEIVERS: usize = 4;
/// The maximum of messages in one request to receive or to change.
const MAX_MESSAGES: i32 = 10;
const MAX_CHANGED: usize = 10;
/// With a wait SQS queries all its servers (long polling), without one only some.
const WAIT_SECONDS: i32 = 1;
/// Rounds without a message after which the scan ends, even if the queue's count is not 0.
const QUIET_ROUNDS: u32 = 5;
/// A receipt counts as invalid this long before SQS makes its message visible again.
const MARGIN: Duration = Duration::from_secs(10);

/// How many messages of a queue were seen, and how many were not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Messages that were received, each counted once.
    pub seen: usize,
    /// Messages that other consumers hold; approximate, like SQS's count.
    pub held_elsewhere: u64,
    /// Messages that SQS counts as visible but did not return; approximate.
    pub not_received: u64,
    /// Messages that could not be made visible again; they become visible when their hold ends.
    pub not_released: usize,
    /// Whether the scan was stopped before its end.
    pub stopped: bool,
    /// The error that ended the scan early.
    pub trouble: Option<SqsError>,
}

/// A scan of one queue. It holds the received messages until [`Self::finish`].
pub(super) struct Scan<'a> {
    client: &'a Client,
    url: &'a str,
    visibility: Duration,
    stop: Stop<'a>,
    seen: HashSet<String>,
    held: HashMap<String, Receipt>,
    quiet_rounds: u32,
    /// Messages that came again since the last new message.
    repeats: usize,
    trouble: Option<SqsError>,
}

/// The right to delete a received message while it is hidden.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    pub handle: String,
    until: Instant,
}

impl Receipt {
    /// Whether the message is surely still hidden from other consumers.
    pub fn is_valid(&self) -> bool {
        Instant::now() < self.until
    }
}

#[derive(Clone, Copy, Default)]
struct Depth {
    visible: u64,
    in_flight: u64,
}

impl<'a> Scan<'a> {
    /// Makes a scan that hides received messages for `visibility`, in whole seconds.
    pub fn new(client: &'a Client, url: &'a str, visibility: Duration, stop: Stop<'a>) -> Self {
        let (seen, held) = (HashSet::new(), HashMap::new());
        Self { client, url, visibility, stop, seen, held, quiet_rounds: 0, repeats: 0, trouble: None }
    }

    /// The next new messages; `None` if no more come, a receive failed, or the scan was stopped.
    pub async fn next(&mut self) -> Option<Vec<Message>> {
        while self.trouble.is_none() && !(self.stop)() {
            let until = Instant::now() + self.visibility.saturating_sub(MARGIN);
            let round = join_all((0..RECEIVERS).map(|_| self.receive())).await;
            let new = self.collect_new(round, until);
            if !new.is_empty() {
                return Some(new);
            }
            if self.is_exhausted().await {
                break;
            }
        }
        None
    }

    pub fn receipt(&self, message_id: &str) -> Option<&Receipt> {
        self.held.get(message_id)
    }

    /// Forgets a message that was deleted.
    pub fn mark_deleted(&mut self, message_id: &str) {
        self.held.remove(message_id);
    }

    /// Forgets a message whose receipt is no longer valid, so that its next receive counts as new.
    pub fn expect_again(&mut self, message_id: &str) {
        self.held.remove(message_id);
        self.seen.remove(message_id);
    }

    /// Makes all held messages visible again.
    pub async fn finish(self) -> Coverage {
        let depth = self.depth().await.unwrap_or_default();
        let held = u64::try_from(self.held.len()).unwrap_or(u64::MAX);
        Coverage {
            seen: self.seen.len(),
            held_elsewhere: depth.in_flight.saturating_sub(held),
            not_received: depth.visible,
            not_released: self.release().await,
            stopped: (self.stop)(),
            trouble: self.trouble,
        }
    }

    async fn receive(&self) -> Result<Vec<Message>, SqsError> {
        let visibility = i32::try_from(self.visibility.as_secs()).unwrap_or(i32::MAX);
        let request = self.client.receive_message().queue_url(self.url).max_number_of_messages(MAX_MESSAGES);
        let request = request.wait_time_seconds(WAIT_SECONDS).visibility_timeout(visibility);
        let request = request.message_attribute_names("All");
        let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = request.send().await.map_err(|error| SqsError::failed(self.url, &error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    /// Remembers the messages of a round, and returns the new ones. The messages of the other receives are kept if one
    /// receive failed.
    fn collect_new(&mut self, round: Vec<Result<Vec<Message>, SqsError>>, until: Instant) -> Vec<Message> {
        let mut new = Vec::new();
        let mut is_quiet = true;
        for messages in round {
            let messages = messages.unwrap_or_else(|error| {
                self.trouble = Some(error);
                Vec::new()
            });
            for message in messages {
                is_quiet = false;
                let (Some(id), Some(handle)) = (message.message_id(), message.receipt_handle()) else {
                    continue;
                };
                self.held.insert(id.to_owned(), Receipt { handle: handle.to_owned(), until });
                if self.seen.insert(id.to_owned()) {
                    new.push(message);
                } else {
                    self.repeats += 1;
                }
            }
        }
        if !new.is_empty() {
            self.repeats = 0;
        }
        self.quiet_rounds = if is_quiet { self.quiet_rounds + 1 } else { 0 };
        new
    }

    /// Decides after a round without a new message whether more can come; the module's text has the rules.
    async fn is_exhausted(&mut self) -> bool {
        match self.depth().await {
            Ok(depth) => {
                depth.visible == 0 || self.quiet_rounds >= QUIET_ROUNDS || self.repeats > self.seen.len()
            }
            Err(error) => {
                self.trouble = Some(error);
                true
            }
        }
    }

    async fn depth(&self) -> Result<Depth, SqsError> {
        const VISIBLE: QueueAttributeName = QueueAttributeName::ApproximateNumberOfMessages;
        const IN_FLIGHT: QueueAttributeName = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let request = self.client.get_queue_attributes().queue_url(self.url);
        let request = request.attribute_names(VISIBLE).attribute_names(IN_FLIGHT);
        let answer = request.send().await.map_err(|error| SqsError::failed(self.url, &error))?;
        let attributes = answer.attributes.unwrap_or_default();
        let count = |name| attributes.get(&name).and_then(|count| count.parse().ok()).unwrap_or_default();
        Ok(Depth { visible: count(VISIBLE), in_flight: count(IN_FLIGHT) })
    }

    /// Makes the held messages visible again; returns the number of failures.
    async fn release(&self) -> usize {
        let handles: Vec<&str> = self.held.values().map(|receipt| receipt.handle.as_str()).collect();
        let batches =
            futures::stream::iter(handles.chunks(MAX_CHANGED).map(|batch| self.release_batch(batch)));
        batches.buffer_unordered(RECEIVERS).fold(0, |sum, failed| async move { sum + failed }).await
    }

    async fn release_batch(&self, handles: &[&str]) -> usize {
        let mut request = self.client.change_message_visibility_batch().queue_url(self.url);
        for (number, handle) in handles.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(number.to_string());
            match entry.receipt_handle(*handle).visibility_timeout(0).build() {
                Ok(entry) => request = request.entries(entry),
                Err(error) => tracing::debug!(error = %error, "cannot release a message"),
            }
        }
        match request.send().await {
            // a sender fault means that the message is no longer held
            Ok(answer) => answer.failed().iter().filter(|failed| !failed.sender_fault()).count(),
            Err(error) => {
                let error = SqsError::failed(self.url, &error);
                tracing::debug!(error = %error, messages = handles.len(), "cannot release messages");
                handles.len()
            }
        }
    }
}
