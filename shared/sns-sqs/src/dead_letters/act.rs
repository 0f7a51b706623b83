use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use futures::future::join_all;
use thiserror::Error;

use super::message::{SNS_CODE, SNS_ERROR, SNS_REQUEST};
use super::scan::{Coverage, Receipt, Scan, Stop};
use super::{DeadLetterQueue, DeadLetters, NoSource, Pace};
use crate::attributes::{CODE, ERROR, PARKED_AT};
use crate::error::SqsError;

/// Attributes that describe the failure; a replayed message does not carry them.
const FAILURE_ATTRIBUTES: [&str; 6] = [CODE, ERROR, PARKED_AT, SNS_CODE, SNS_ERROR, SNS_REQUEST];

/// The bounds of the time for which received messages are hidden from other consumers.
const SHORTEST_HOLD: Duration = Duration::from_mins(2);
const LONGEST_HOLD: Duration = Duration::from_mins(15);

/// An action on a message in a dead-letter queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetterAction {
    /// Sends the message to the queue that it came from, then deletes it from the dead-letter queue.
    Replay,
    /// Deletes the message.
    Drop,
}

/// The results for the chosen messages of one queue.
#[derive(Clone, Debug, Default)]
pub struct ActionReport {
    /// The ids of the replayed or dropped messages.
    pub done: Vec<String>,
    /// The ids of the messages that failed, each with its error.
    pub failed: Vec<(String, ActError)>,
    /// The ids of the messages that were not received: another consumer deleted them or is holding them.
    pub not_found: Vec<String>,
    /// The number of messages that were not tried, because of an interruption or a failed receive.
    pub remaining: usize,
    pub coverage: Coverage,
}

/// Why an action on a message failed. The message stays in the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ActError {
    /// No retry helps.
    #[error(transparent)]
    NoSource(#[from] NoSource),
    /// A retry may help. If only the answer was lost, the retry sends the message a second time.
    #[error("it could not be sent: {0}")]
    NotSent(SqsError),
    /// A retry sends the message a second time; the pipeline handles a repeated message without a second sync.
    #[error("it was sent, but could not be deleted: {0}")]
    NotDeletedAfterwards(SqsError),
    /// A retry may help.
    #[error("it could not be deleted: {0}")]
    NotDeleted(SqsError),
}

enum ActOutcome {
    Done,
    Failed(ActError),
    /// The message may be visible to others again, so it was not touched.
    HeldTooLong,
    Stopped,
}

impl DeadLetters {
    /// Acts once on each message with one of the `chosen` ids, at the given pace. `each` is called after each success or
    /// failure. The other messages of the queue are hidden until the end, then visible again. After `stop`, requests in
    /// flight are finished first.
    pub async fn act(
        &self,
        queue: &DeadLetterQueue,
        chosen: &HashSet<String>,
        act: DeadLetterAction,
        pace: &Pace,
        stop: Stop<'_>,
        each: &(dyn Fn() + Send + Sync),
    ) -> ActionReport {
        // Hide messages long enough to act on all of them at this pace.
        let hold = pace.time_for(chosen.len()).clamp(SHORTEST_HOLD, LONGEST_HOLD);
        let mut scan = Scan::new(&self.sqs, &queue.url, hold, stop);
        let mut acted = ActionReport::default();
        let mut left: HashSet<&String> = chosen.iter().collect();
        while !left.is_empty() {
            let Some(messages) = scan.next().await else { break };
            // Act on the chosen messages of this round at the same time; the pace delays each of them.
            let tasks = messages.into_iter().filter_map(|message| {
                let id = message.message_id()?.to_owned();
                let receipt = scan.receipt(&id).filter(|_| left.contains(&id))?.clone();
                Some((id, receipt, message))
            });
            let outcomes = join_all(tasks.map(async |(id, receipt, message)| {
                let outcome = self.act_on(queue, message, &receipt, act, pace, stop).await;
                if matches!(outcome, ActOutcome::Done | ActOutcome::Failed(_)) {
                    each();
                }
                (id, outcome)
            }));
            // Record the outcomes. A message that was held too long is received again.
            for (id, outcome) in outcomes.await {
                match outcome {
                    ActOutcome::Stopped => continue,
                    ActOutcome::HeldTooLong => {
                        scan.expect_again(&id);
                        continue;
                    }
                    ActOutcome::Done => scan.mark_deleted(&id),
                    ActOutcome::Failed(_) => {}
                }
                left.remove(&id);
                match outcome {
                    ActOutcome::Failed(error) => acted.failed.push((id, error)),
                    _ => acted.done.push(id),
                }
            }
        }
        // Release the other messages, and count the chosen ones that were not received.
        acted.coverage = scan.finish().await;
        if acted.coverage.stopped || acted.coverage.trouble.is_some() {
            acted.remaining = left.len();
        } else {
            acted.not_found = left.into_iter().cloned().collect();
            acted.not_found.sort();
        }
        acted
    }

    async fn act_on(
        &self,
        queue: &DeadLetterQueue,
        message: Message,
        receipt: &Receipt,
        act: DeadLetterAction,
        pace: &Pace,
        stop: Stop<'_>,
    ) -> ActOutcome {
        if !pace.wait(stop).await {
            return ActOutcome::Stopped;
        }
        if !receipt.is_valid() {
            return ActOutcome::HeldTooLong;
        }
        let done = match act {
            DeadLetterAction::Replay => self.replay(queue, message, receipt).await,
            DeadLetterAction::Drop => self.delete(queue, receipt).await.map_err(ActError::NotDeleted),
        };
        done.map_or_else(ActOutcome::Failed, |()| ActOutcome::Done)
    }

    async fn replay(
        &self,
        queue: &DeadLetterQueue,
        message: Message,
        receipt: &Receipt,
    ) -> Result<(), ActError> {
        let system = message.attributes.as_ref();
        let named = system
            .and_then(|attributes| attributes.get(&MessageSystemAttributeName::DeadLetterQueueSourceArn));
        let source = queue.find_source(named.map(String::as_str).filter(|arn| !arn.is_empty()))?;
        let attributes = original_attributes(message.message_attributes.unwrap_or_default());
        let request = self.sqs.send_message().queue_url(&source.url);
        let request = request.message_body(message.body.unwrap_or_default());
        let request =
            request.set_message_attributes(Some(attributes).filter(|attributes| !attributes.is_empty()));
        // no retry of the SDK: if only the answer was lost, a retry would send the message twice
        let once = Builder::new().retry_config(RetryConfig::disabled());
        let sent = request.customize().config_override(once).send().await;
        sent.map_err(|error| ActError::NotSent(SqsError::failed(&source.name, &error)))?;
        self.delete(queue, receipt).await.map_err(ActError::NotDeletedAfterwards)
    }

    async fn delete(&self, queue: &DeadLetterQueue, receipt: &Receipt) -> Result<(), SqsError> {
        let request = self.sqs.delete_message().queue_url(&queue.url).receipt_handle(&receipt.handle);
        request.send().await.map_err(|error| SqsError::failed(&queue.name, &error))?;
        Ok(())
    }
}

/// The attributes that the message had before it was parked.
fn original_attributes(
    attributes: HashMap<String, MessageAttributeValue>,
) -> HashMap<String, MessageAttributeValue> {
    attributes.into_iter().filter(|(name, _)| !FAILURE_ATTRIBUTES.contains(&name.as_str())).collect()
}
