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
/// What the function needs to answer once all is settled.
const ANSWER: Duration = Duration::from_secs(1);
/// How many of a message's failures its cause tells; the rest are counted.
const TOLD: usize = 3;

/// Of a message's failures: one that a retry may mend keeps the message in its queue.
fn verdict(failures: &[Failure]) -> Option<Failure> {
    if let Some(held) = failures.iter().filter(|it| it.held.is_some()).max_by_key(|it| it.held) {
        return Some(held.clone());
    }
    let most_patient = failures.iter().rev().max_by_key(|failure| failure.patience)?;
    if most_patient.patience != Patience::None {
        return Some(most_patient.clone());
    }
    let first = failures.first()?.clone();
    let mut told: Vec<String> = failures.iter().take(TOLD).map(|it| it.error.clone()).collect();
    if failures.len() > TOLD {
        told.push(format!("and {} more of the message's tests failed", failures.len() - TOLD));
    }
    Some(Failure { error: told.join("; "), ..first })
}

/// What becomes of a batch's messages, as their test sessions end.
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
    /// It ends before `deadline`: a message whose fate the queue does not learn in time stays, and comes back after the
    /// queue's own visibility timeout.
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

    /// Failures of messages, by their places.
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

    /// Settles the messages that none of the `waiting` groups needs: parks those that can never succeed or have had their
    /// last try, and delays those to try again.
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
        let park_it = failure.patience == Patience::None || (is_last && failure.held.is_none());
        let settled = async {
            if park_it {
                park(self.handler, message, failure, self.queue).await
            } else {
                retry(self.handler, message, &failure, self.queue).await
            }
        };
        timeout_at(self.end, settled).await.unwrap_or(Settled::Kept(message))
    }

    /// Deletes the settled messages from the queue: should the process end now, they do not come again.
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
        // they come again, and are covered
        tracing::warn!(messages = done.len(), error, "settled messages not deleted early");
    }
}

enum Settled<'a> {
    Parked(&'a QueueMessage),
    Kept(&'a QueueMessage),
}

/// The count of receives after which the queue gives a message up.
pub(super) async fn most_receives(queue: &dyn SourceQueue) -> Option<u32> {
    queue.max_receive_count().await.unwrap_or_else(|error| {
        tracing::warn!(error = %error, "the queue does not tell its redrive policy");
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
