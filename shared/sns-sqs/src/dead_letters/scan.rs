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

/// Tells when to stop: asked before each step, which is then finished.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Send + Sync);

/// Receives at the same time.
const RECEIVERS: usize = 4;
/// What SQS hands out, or changes, at once.
const AT_ONCE: usize = 10;
const MESSAGES: i32 = 10;
/// A receive that waits asks all of SQS's servers, one that does not only some.
const WAIT_SECONDS: i32 = 1;
/// Rounds of receives without a message after which a queue is left, though its count says that it holds some.
const QUIET_ROUNDS: u32 = 5;
/// A message is not acted on so short before it is visible again.
const MARGIN: Duration = Duration::from_secs(10);

/// How much of a queue was seen, and what stays behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Messages, each once.
    pub seen: usize,
    /// Messages that somebody else has received and not given back; approximate, as SQS counts.
    pub held_elsewhere: u64,
    /// Messages that SQS counts, but did not hand out; approximate.
    pub not_handed_out: u64,
    /// Messages that could not be made visible again at once: they are when their time is over.
    pub not_released: usize,
    /// Told to stop before all was seen.
    pub stopped: bool,
    /// What ended it before all was seen.
    pub trouble: Option<SqsError>,
}

/// All visible messages of a queue, each handed over once, and held until the scan is over.
pub(super) struct Scan<'a> {
    client: &'a Client,
    url: &'a str,
    visibility: Duration,
    stop: Stop<'a>,
    seen: HashSet<String>,
    held: HashMap<String, Receipt>,
    quiet_rounds: u32,
    /// Since the last message that was new.
    repeats: usize,
    trouble: Option<SqsError>,
}

#[derive(Clone, Debug)]
pub(super) struct Receipt {
    pub handle: String,
    until: Instant,
}

impl Receipt {
    /// Whether the message is surely held still.
    pub fn holds(&self) -> bool {
        Instant::now() < self.until
    }
}

#[derive(Clone, Copy, Default)]
struct Depth {
    visible: u64,
    in_flight: u64,
}

impl<'a> Scan<'a> {
    /// A message that is held comes back after `visibility`, whatever happens; whole seconds.
    pub fn new(client: &'a Client, url: &'a str, visibility: Duration, stop: Stop<'a>) -> Self {
        let (seen, held) = (HashSet::new(), HashMap::new());
        Self { client, url, visibility, stop, seen, held, quiet_rounds: 0, repeats: 0, trouble: None }
    }

    /// Messages that were not handed over before; `None` when there are no more, or the scan is stopped.
    pub async fn next(&mut self) -> Option<Vec<Message>> {
        while self.trouble.is_none() && !(self.stop)() {
            let until = Instant::now() + self.visibility.saturating_sub(MARGIN);
            let round = join_all((0..RECEIVERS).map(|_| self.receive())).await;
            let new = self.take(round, until);
            if !new.is_empty() {
                return Some(new);
            }
            if self.is_over().await {
                break;
            }
        }
        None
    }

    pub fn receipt(&self, message_id: &str) -> Option<&Receipt> {
        self.held.get(message_id)
    }

    /// The message is deleted.
    pub fn forget(&mut self, message_id: &str) {
        self.held.remove(message_id);
    }

    /// The message was held too long: it is handed over again when it comes again.
    pub fn again(&mut self, message_id: &str) {
        self.held.remove(message_id);
        self.seen.remove(message_id);
    }

    /// Makes visible again what is held.
    pub async fn finish(self) -> Coverage {
        let depth = self.depth().await.unwrap_or_default();
        let held = u64::try_from(self.held.len()).unwrap_or(u64::MAX);
        Coverage {
            seen: self.seen.len(),
            held_elsewhere: depth.in_flight.saturating_sub(held),
            not_handed_out: depth.visible,
            not_released: self.release().await,
            stopped: (self.stop)(),
            trouble: self.trouble,
        }
    }

    async fn receive(&self) -> Result<Vec<Message>, SqsError> {
        let visibility = i32::try_from(self.visibility.as_secs()).unwrap_or(i32::MAX);
        let request = self.client.receive_message().queue_url(self.url).max_number_of_messages(MESSAGES);
        let request = request.wait_time_seconds(WAIT_SECONDS).visibility_timeout(visibility);
        let request = request.message_attribute_names("All");
        let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = request.send().await.map_err(|error| SqsError::failed(self.url, &error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    /// A receive that failed costs the others nothing.
    fn take(&mut self, round: Vec<Result<Vec<Message>, SqsError>>, until: Instant) -> Vec<Message> {
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

    /// Nothing new came: either nothing is left, or it comes round again, or SQS's count is late.
    async fn is_over(&mut self) -> bool {
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

    /// How many could not be.
    async fn release(&self) -> usize {
        let handles: Vec<&str> = self.held.values().map(|receipt| receipt.handle.as_str()).collect();
        let batches = futures::stream::iter(handles.chunks(AT_ONCE).map(|batch| self.release_batch(batch)));
        batches.buffer_unordered(RECEIVERS).fold(0, |sum, failed| async move { sum + failed }).await
    }

    async fn release_batch(&self, handles: &[&str]) -> usize {
        let mut request = self.client.change_message_visibility_batch().queue_url(self.url);
        for (number, handle) in handles.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(number.to_string());
            match entry.receipt_handle(*handle).visibility_timeout(0).build() {
                Ok(entry) => request = request.entries(entry),
                Err(error) => tracing::debug!(error = %error, "a message could not be released"),
            }
        }
        match request.send().await {
            // the sender's fault is a message that is not held any more
            Ok(answer) => answer.failed().iter().filter(|failed| !failed.sender_fault()).count(),
            Err(error) => {
                let error = SqsError::failed(self.url, &error);
                tracing::debug!(error = %error, messages = handles.len(), "messages could not be released");
                handles.len()
            }
        }
    }
}
