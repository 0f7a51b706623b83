//! The queue that triggers a function, as a [`SourceQueue`].
//!
//! Lambda receives the messages; this queue acts on them. The queue knows only its ARN, so it asks SQS for its URL, its
//! redrive policy and its dead-letter queue when it needs them first, and keeps the answers.
//!
//! Parking sends a copy with its cause to the dead-letter queue. The caller then acknowledges the message; in the other
//! order a failure between both would lose it (`docs/decisions/0002-retry-or-park.md`).

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, MessageAttributeValue, QueueAttributeName};
use quiz_events::{ParkCause, QueueError, QueueMessage, SourceQueue};
use tokio::sync::OnceCell;

use crate::arn::QueueArn;
use crate::attributes::{STRING, parking_attributes};
use crate::error::SqsError;
use crate::lookup::{self, Redrive, redrive_policy};

const PARK: &str = "park";
const DELAY: &str = "delay";

/// The maximum size of a message, if the queue does not say; since 2025 it can be set to up to 1 MiB.
const MESSAGE_SIZE: usize = 256 * 1024;
/// In seconds. SQS hides a message for at most 12 hours after its receipt, and a function runs for up to 15 minutes of
/// that time.
const LONGEST_DELAY: u64 = 12 * 3600 - 15 * 60;
/// The limit of `DeleteMessageBatch`.
const MAX_DELETED: usize = 10;
/// The limit of `DelaySeconds`.
const LONGEST_SEND_DELAY: i32 = 15 * 60;

/// A queue that triggers a function.
#[derive(Debug)]
pub struct SqsQueue {
    client: Client,
    arn: String,
    url: OnceCell<String>,
    redrive: OnceCell<Redrive>,
    dead_letters: OnceCell<ParkingQueue>,
}

/// The queue's dead-letter queue.
#[derive(Clone, Debug)]
struct ParkingQueue {
    url: String,
    /// The maximum size of a message in bytes.
    message_size: usize,
}

impl SqsQueue {
    /// The queue with this ARN. A wrong ARN becomes an error at the first request.
    #[must_use]
    pub fn from_arn(client: Client, arn: &str) -> Self {
        let (url, redrive, dead_letters) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { client, arn: arn.to_owned(), url, redrive, dead_letters }
    }

    async fn url(&self) -> Result<&str, SqsError> {
        let url = self.url.get_or_try_init(|| async {
            lookup::queue_url(&self.client, &QueueArn::parse(&self.arn)?).await
        });
        Ok(url.await?)
    }

    /// The redrive policy. `None` is not kept, because an operator may add a policy while the function runs.
    async fn redrive(&self) -> Result<Option<&Redrive>, SqsError> {
        if let Some(known) = self.redrive.get() {
            return Ok(Some(known));
        }
        let url = self.url().await?;
        let Some(policy) = lookup::attribute(&self.client, url, QueueAttributeName::RedrivePolicy).await?
        else {
            return Ok(None);
        };
        let read = || async {
            redrive_policy(&policy)
                .ok_or_else(|| SqsError::Unreadable { queue: self.arn.clone(), what: "redrive policy" })
        };
        Ok(Some(self.redrive.get_or_try_init(read).await?))
    }

    async fn dead_letters(&self) -> Result<&ParkingQueue, SqsError> {
        self.dead_letters.get_or_try_init(|| self.find_dead_letters()).await
    }

    async fn find_dead_letters(&self) -> Result<ParkingQueue, SqsError> {
        let redrive = self.redrive().await?.ok_or_else(|| SqsError::NoDeadLetterQueue(self.arn.clone()))?;
        let arn = QueueArn::parse(&redrive.dead_letter_arn)?;
        if arn.is_fifo() {
            return Err(SqsError::Fifo(arn.name));
        }
        let url = lookup::queue_url(&self.client, &arn).await?;
        let size = lookup::attribute(&self.client, &url, QueueAttributeName::MaximumMessageSize).await;
        let message_size = match size {
            Ok(size) => size.and_then(|size| size.parse().ok()).unwrap_or(MESSAGE_SIZE),
            Err(error) => {
                tracing::debug!(queue = arn.name, error = %error, "cannot read the queue's message size");
                MESSAGE_SIZE
            }
        };
        Ok(ParkingQueue { url, message_size })
    }

    async fn send_to_dead_letters(&self, message: &QueueMessage, cause: &ParkCause) -> Result<(), SqsError> {
        let target = self.dead_letters().await?;
        let mut request = self.client.send_message().queue_url(&target.url).message_body(&message.body);
        for (name, value) in parking_attributes(message, cause, target.message_size) {
            let value = text(value).map_err(|error| self.build_failed(&error))?;
            request = request.message_attributes(name, value);
        }
        request.send().await.map_err(|error| SqsError::failed(&target.url, &error))?;
        let (message_id, queue, code) = (&message.message_id, &target.url, &cause.code);
        tracing::debug!(message_id, queue, code, "message parked");
        Ok(())
    }

    async fn hide(&self, message: &QueueMessage, delay: Duration) -> Result<(), SqsError> {
        let url = self.url().await?;
        let request = self.client.change_message_visibility().queue_url(url);
        let request = request.receipt_handle(&message.receipt_handle).visibility_timeout(seconds(delay));
        request.send().await.map_err(|error| SqsError::failed(url, &error))?;
        Ok(())
    }

    async fn delete(&self, messages: &[&QueueMessage]) -> Result<(), SqsError> {
        let url = self.url().await?;
        let mut failed = None;
        for messages in messages.chunks(MAX_DELETED) {
            let entries = messages.iter().enumerate().map(|(index, message)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
                let entry = entry.receipt_handle(&message.receipt_handle).build();
                entry.map_err(|error| self.build_failed(&error))
            });
            let entries: Vec<_> = entries.collect::<Result<_, _>>()?;
            let answer =
                self.client.delete_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
            let answer = answer.map_err(|error| SqsError::failed(url, &error))?;
            failed = failed.or(answer.failed.into_iter().next());
        }
        match failed {
            None => Ok(()),
            Some(failed) => {
                let answer = format!("{}: {}", failed.code(), failed.message().unwrap_or_default());
                Err(SqsError::Failed { queue: url.to_owned(), answer })
            }
        }
    }

    async fn send_to_itself(
        &self,
        body: &str,
        event_type: &str,
        delay: Duration,
    ) -> Result<String, SqsError> {
        let url = self.url().await?;
        let attribute = text(event_type.to_owned()).map_err(|error| self.build_failed(&error))?;
        let delay = seconds(delay).min(LONGEST_SEND_DELAY);
        let request = self.client.send_message().queue_url(url).message_body(body).delay_seconds(delay);
        let answer = request.message_attributes("type", attribute).send().await;
        let answer = answer.map_err(|error| SqsError::failed(url, &error))?;
        answer
            .message_id
            .filter(|id| !id.is_empty())
            .ok_or_else(|| SqsError::Unreadable { queue: self.arn.clone(), what: "message id" })
    }

    fn build_failed(&self, error: &BuildError) -> SqsError {
        SqsError::Failed { queue: self.arn.clone(), answer: error.to_string() }
    }
}

/// The delay in whole seconds, rounded up so that the message does not return too early.
fn seconds(delay: Duration) -> i32 {
    let whole = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0));
    i32::try_from(whole.min(LONGEST_DELAY)).unwrap_or(i32::MAX)
}

fn text(value: String) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder().data_type(STRING).string_value(value).build()
}

#[async_trait]
impl SourceQueue for SqsQueue {
    async fn park(&self, message: &QueueMessage, cause: &ParkCause) -> Result<(), QueueError> {
        self.send_to_dead_letters(message, cause).await.map_err(|error| error.into_queue_error(PARK, message))
    }

    async fn send(&self, body: &str, event_type: &str, delay: Duration) -> Result<String, QueueError> {
        let sent = self.send_to_itself(body, event_type, delay).await;
        sent.map_err(|error| QueueError::Send { queue: self.arn.clone(), cause: error.into() })
    }

    async fn acknowledge(&self, messages: &[&QueueMessage]) -> Result<(), QueueError> {
        self.delete(messages).await.map_err(|error| QueueError::Acknowledge {
            queue: self.arn.clone(),
            messages: messages.len(),
            cause: error.into(),
        })
    }

    async fn delay(&self, message: &QueueMessage, delay: Duration) -> Result<(), QueueError> {
        self.hide(message, delay).await.map_err(|error| error.into_queue_error(DELAY, message))
    }

    async fn max_receive_count(&self) -> Result<Option<u32>, QueueError> {
        let redrive = self.redrive().await;
        let redrive = redrive.map_err(|error| QueueError::RedrivePolicy { cause: error.into() })?;
        Ok(redrive.map(|redrive| redrive.max_receive_count))
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_DELAY, seconds};
    use std::time::Duration;

    #[test]
    fn delay_is_rounded_up_and_limited() {
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_mins(1)), 60);
        assert_eq!(seconds(Duration::MAX), i32::try_from(LONGEST_DELAY).unwrap());
    }
}
