//! Settles the messages of a batch: acknowledges, delays or parks each of them.
//!
//! Problem: a message can name several test sessions, and each can end in another way. Idea: a message collects the failures
//! of all its test sessions, and one verdict decides.
//!
//! - No failure: the message is acknowledged.
//! - A lease may still be held: the message stays, however often it was received, because requests joined its run.
//! - A failure that a retry may fix: the message stays and backs off, until its last try.
//! - Otherwise the message is parked with its cause. A message that cannot be parked stays in its queue.
//! - The deadline ends all of this: an unsettled message returns after the queue's visibility timeout.
//!
//! See docs/decisions/0002-retry-or-park.md.

use std::time::Duration;

use futures::{StreamExt, stream};
use quiz_events::{ParkCause, QueueMessage, SourceQueue};
use tokio::time::{Instant, timeout_at};

use super::groups::Group;
use super::run::GroupResult;
use super::{BatchHandler, BatchReport};
use crate::listener::{Failure, Held, Patience};

/// Calls to the queue in flight.
const CALLS: usize = 16;
/// The time that the function needs to answer, once all messages are settled.
const ANSWER: Duration = Duration::from_secs(1);
/// Errors of one message that its cause lists; the rest are counted.
const LISTED_ERRORS: usize = 3;

/// The failure that decides about a message: a held lease first, then the most patient failure, else all errors together.
fn verdict(failures: &[Failure]) -> Option<Failure> {
    if let Some(held) =
        failures.iter().filter(|failure| failure.held.is_some()).max_by_key(|failure| failure.held)
    {
        return Some(held.clone());
    }
    let most_patient = failures.iter().rev().max_by_key(|failure| failure.patience)?;
    if most_patient.patience != Patience::None {
        return Some(most_patient.clone());
    }
    let first = failures.first()?.clone();
    let mut errors: Vec<String> =
        failures.iter().take(LISTED_ERRORS).map(|failure| failure.error.clone()).collect();
    if failures.len() > LISTED_ERRORS {
        errors
            .push(format!("and {} more test sessions of the message failed", failures.len() - LISTED_ERRORS));
    }
    Some(Failure { error: errors.join("; "), ..first })
}

/// The messages of a batch, with the failures of their test sessions so far.
pub(super) struct Settlement<'a> {
    handler: &'a BatchHandler,
    messages: &'a [QueueMessage],
    queue: &'a dyn SourceQueue,
    end: Instant,
    /// By the message's place in the batch.
    failures: Vec<Vec<Failure>>,
    is_settled: Vec<bool>,
    /// Settled for good, and not yet deleted.
    done: Vec<&'a QueueMessage>,
    pub report: BatchReport,
}

impl<'a> Settlement<'a> {
    /// Settling ends before `deadline`: a message that is not settled by then returns after the queue's visibility
    /// timeout.
    pub fn new(
        handler: &'a BatchHandler,
        messages: &'a [QueueMessage],
        queue: &'a dyn SourceQueue,
        deadline: Instant,
    ) -> Self {
        Self {
            handler,
            messages,
            queue,
            end: deadline.checked_sub(ANSWER).unwrap_or_else(Instant::now),
            failures: vec![Vec::new(); messages.len()],
            is_settled: vec![false; messages.len()],
            done: Vec::new(),
            report: BatchReport::default(),
        }
    }

    /// Adds failures of messages, by their place in the batch.
    pub fn add_failures(&mut self, failed: impl IntoIterator<Item = (usize, Failure)>) {
        for (place, failure) in failed {
            if let Some(failures) = self.failures.get_mut(place) {
                failures.push(failure);
            }
        }
    }

    pub fn add(&mut self, results: Vec<GroupResult>) {
        for result in results {
            self.report.synced += usize::from(result.synced);
            self.report.absorbed += result.absorbed;
            self.add_failures(result.failures);
        }
    }

    /// Settles the messages that no `waiting` group needs: parks messages that can never succeed or have had their last
    /// try, and delays messages that are tried again.
    pub async fn settle(&mut self, waiting: &[Group]) {
        let mut is_open: Vec<bool> = self.is_settled.iter().map(|settled| !settled).collect();
        for member in waiting.iter().flat_map(|group| &group.members) {
            is_open.get_mut(member.place).into_iter().for_each(|is_open| *is_open = false);
        }
        let mut failed = Vec::new();
        let places = self.messages.iter().zip(&self.failures).zip(is_open).zip(&mut self.is_settled);
        for (((message, failures), is_open), is_settled) in places.filter(|((_, is_open), _)| *is_open) {
            *is_settled = is_open;
            match verdict(failures) {
                Some(failure) => failed.push((message, failure)),
                None => self.done.push(message),
            }
        }
        let most = if failed.iter().any(|(_, failure)| failure.patience != Patience::None) {
            timeout_at(self.end, most_receives(self.queue)).await.ok().flatten()
        } else {
            None
        };
        let mut settling = Vec::with_capacity(failed.len());
        for (message, failure) in failed {
            settling.push(self.settle_failed(message, failure, most));
        }
        let settled: Vec<Settled<'_>> = stream::iter(settling).buffered(CALLS).collect().await;
        for settled in settled {
            match settled {
                Settled::Parked(message) => {
                    self.report.parked += 1;
                    self.done.push(message);
                }
                Settled::Kept(message) => self.report.failed.push(message.message_id.clone()),
            }
        }
    }

    async fn settle_failed(
        &self,
        message: &'a QueueMessage,
        failure: Failure,
        most: Option<u32>,
    ) -> Settled<'a> {
        let is_last = failure.last_receive(most).is_some_and(|last| message.receive_count >= last);
        let is_to_park = failure.patience == Patience::None || (is_last && failure.held.is_none());
        let settled = async {
            if is_to_park {
                park(self.handler, message, failure, self.queue).await
            } else {
                retry(self.handler, message, &failure, self.queue).await
            }
        };
        timeout_at(self.end, settled).await.unwrap_or(Settled::Kept(message))
    }

    /// Deletes the settled messages from the queue, so that a crash from now on does not return them.
    pub async fn delete_settled(&mut self) {
        let done = std::mem::take(&mut self.done);
        if done.is_empty() {
            return;
        }
        let error = match timeout_at(self.end, self.queue.acknowledge(&done)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        // these messages return, and are covered
        tracing::warn!(messages = done.len(), error, "settled messages not deleted early");
    }
}

enum Settled<'a> {
    Parked(&'a QueueMessage),
    Kept(&'a QueueMessage),
}

/// The number of receives after which the queue moves a message to its dead-letter queue.
pub(super) async fn most_receives(queue: &dyn SourceQueue) -> Option<u32> {
    queue.max_receive_count().await.unwrap_or_else(|error| {
        tracing::warn!(error = %error, "redrive policy not read");
        None
    })
}

async fn park<'a>(
    handler: &BatchHandler,
    message: &'a QueueMessage,
    failure: Failure,
    queue: &dyn SourceQueue,
) -> Settled<'a> {
    let cause = ParkCause {
        code: failure.code.to_owned(),
        error: failure.error.clone(),
        parked_at: handler.clock.now(),
    };
    match queue.park(message, &cause).await {
        Ok(()) => {
            handler.listener.parked(message, &cause).await;
            Settled::Parked(message)
        }
        Err(error) => {
            tracing::error!(message_id = message.message_id, error = %error, "message not parked, kept");
            retry(handler, message, &Failure { held: None, ..failure }, queue).await
        }
    }
}

async fn retry<'a>(
    handler: &BatchHandler,
    message: &'a QueueMessage,
    failure: &Failure,
    queue: &dyn SourceQueue,
) -> Settled<'a> {
    let backoff = handler.limits.backoff.wait(message.receive_count);
    let wait = match failure.held {
        Some(Held::UnderWay(left)) => left,
        Some(Held::LeaseLeft(left)) => backoff.max(left),
        None => backoff,
    };
    if let Err(error) = queue.delay(message, wait).await {
        tracing::warn!(message_id = message.message_id, error = %error, "visibility not changed");
    }
    handler.listener.waiting(message, failure, wait).await;
    Settled::Kept(message)
}
