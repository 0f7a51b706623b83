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

/// What tells of the failure only; a replayed message goes without it.
const OF_THE_FAILURE: [&str; 6] = [CODE, ERROR, PARKED_AT, SNS_CODE, SNS_ERROR, SNS_REQUEST];

/// So long a message is held at least, and at most, while others are acted on.
const SHORTEST_HOLD: Duration = Duration::from_mins(2);
const LONGEST_HOLD: Duration = Duration::from_mins(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Sends a message to the queue it came from, then deletes it from the dead-letter queue.
    Replay,
    /// Deletes it.
    Drop,
}

/// What became of the chosen messages of one queue.
#[derive(Clone, Debug, Default)]
pub struct Acted {
    /// By their ids.
    pub done: Vec<String>,
    pub failed: Vec<(String, ActError)>,
    /// Not met: somebody else has taken them meanwhile, or holds them.
    pub not_found: Vec<String>,
    /// Not tried: it was stopped before, or the queue could not be read on.
    pub remaining: usize,
    pub coverage: Coverage,
}

/// Why a message is not done with. It stays in the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ActError {
    /// No retry helps.
    #[error(transparent)]
    NoSource(#[from] NoSource),
    /// A retry may help; where only the answer was lost, it sends the message a second time.
    #[error("it could not be sent: {0}")]
    NotSent(SqsError),
    /// A retry sends it a second time, which the pipeline takes as nothing new.
    #[error("it was sent, but could not be deleted: {0}")]
    NotDeletedAfterwards(SqsError),
    /// A retry may help.
    #[error("it could not be deleted: {0}")]
    NotDeleted(SqsError),
}

enum Outcome {
    Done,
    Failed(ActError),
    HeldTooLong,
    Stopped,
}

impl DeadLetters {
    /// Acts on the messages with the `chosen` ids, at the given pace, none of them twice. The others are held
    /// meanwhile and visible again afterwards. `each` is called after each that is done with. A failure costs its own
    /// message only; stopped, what is under way is finished first.
    pub async fn act(
        &self,
        queue: &DeadLetterQueue,
        chosen: &HashSet<String>,
        act: Act,
        pace: &Pace,
        stop: Stop<'_>,
        each: &(dyn Fn() + Send + Sync),
    ) -> Acted {
        let hold = pace.time_for(chosen.len()).clamp(SHORTEST_HOLD, LONGEST_HOLD);
        let mut scan = Scan::new(&self.sqs, &queue.url, hold, stop);
        let mut acted = Acted::default();
        let mut left: HashSet<&String> = chosen.iter().collect();
        while !left.is_empty() {
            let Some(messages) = scan.next().await else { break };
            let mine = messages.into_iter().filter_map(|message| {
                let id = message.message_id()?.to_owned();
                let receipt = scan.receipt(&id).filter(|_| left.contains(&id))?.clone();
                Some((id, receipt, message))
            });
            let outcomes = join_all(mine.map(async |(id, receipt, message)| {
                let outcome = self.act_on(queue, message, &receipt, act, pace, stop).await;
                if matches!(outcome, Outcome::Done | Outcome::Failed(_)) {
                    each();
                }
                (id, outcome)
            }));
            for (id, outcome) in outcomes.await {
                match outcome {
                    Outcome::Stopped => continue,
                    Outcome::HeldTooLong => {
                        scan.again(&id);
                        continue;
                    }
                    Outcome::Done => scan.forget(&id),
                    Outcome::Failed(_) => {}
                }
                left.remove(&id);
                match outcome {
                    Outcome::Failed(error) => acted.failed.push((id, error)),
                    _ => acted.done.push(id),
                }
            }
        }
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
        act: Act,
        pace: &Pace,
        stop: Stop<'_>,
    ) -> Outcome {
        if !pace.turn(stop).await {
            return Outcome::Stopped;
        }
        if !receipt.holds() {
            return Outcome::HeldTooLong;
        }
        let done = match act {
            Act::Replay => self.replay(queue, message, receipt).await,
            Act::Drop => self.delete(queue, receipt).await.map_err(ActError::NotDeleted),
        };
        done.map_or_else(Outcome::Failed, |()| Outcome::Done)
    }

    async fn replay(
        &self,
        queue: &DeadLetterQueue,
        message: Message,
        receipt: &Receipt,
    ) -> Result<(), ActError> {
        let system = message.attributes.as_ref();
        let named = system.and_then(|it| it.get(&MessageSystemAttributeName::DeadLetterQueueSourceArn));
        let source = queue.source_of(named.map(String::as_str).filter(|arn| !arn.is_empty()))?;
        let attributes = own_attributes(message.message_attributes.unwrap_or_default());
        let request = self.sqs.send_message().queue_url(&source.url);
        let request = request.message_body(message.body.unwrap_or_default());
        let request = request.set_message_attributes(Some(attributes).filter(|it| !it.is_empty()));
        // a retry of the client's own would send the message twice where only the answer was lost
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

fn own_attributes(
    attributes: HashMap<String, MessageAttributeValue>,
) -> HashMap<String, MessageAttributeValue> {
    attributes.into_iter().filter(|(name, _)| !OF_THE_FAILURE.contains(&name.as_str())).collect()
}
