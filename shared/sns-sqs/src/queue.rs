use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, MessageAttributeValue, QueueAttributeName};
use quiz_events::{ParkCause, QueueError, QueueMessage, SourceQueue};
use tokio::sync::OnceCell;

use crate::arn::QueueArn;
use crate::attributes::{self, STRING};
use crate::error::SqsError;
use crate::lookup::{self, Redrive, redrive_policy};

const PARK: &str = "park";
const DELAY: &str = "delay";

/// What a queue takes where it does not tell (it may since 2025 be set to 1 MiB).
const MESSAGE_SIZE: usize = 256 * 1024;
/// SQS hides a message for at most 12 hours from its receipt on, and a function runs for up to 15
/// minutes of them.
const LONGEST_DELAY: u64 = 12 * 3600 - 15 * 60;
/// What `DeleteMessageBatch` takes.
const MOST_DELETED: usize = 10;
/// `DelaySeconds` of a message that is sent.
const LONGEST_SEND_DELAY: i32 = 15 * 60;

/// A queue that a function is fed from. Where it and its dead-letter queue are is asked once, when it
/// is first needed.
#[derive(Debug)]
pub struct SqsQueue {
    client: Client,
    arn: String,
    url: OnceCell<String>,
    redrive: OnceCell<Redrive>,
    dead_letters: OnceCell<DeadLetters>,
}

#[derive(Clone, Debug)]
struct DeadLetters {
    url: String,
    message_size: usize,
}

impl SqsQueue {
    /// The queue with this ARN. Nothing is sent yet; a wrong ARN is an error when the queue is used.
    #[must_use]
    pub fn of_arn(client: Client, arn: &str) -> Self {
        let (url, redrive, dead_letters) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { client, arn: arn.to_owned(), url, redrive, dead_letters }
    }

    async fn url(&self) -> Result<&str, SqsError> {
        let url = self
            .url
            .get_or_try_init(|| async { lookup::url_of(&self.client, &QueueArn::parse(&self.arn)?).await });
        Ok(url.await?)
    }

    /// `None` is asked again the next time: someone may have given the queue a policy meanwhile.
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

    async fn dead_letters(&self) -> Result<&DeadLetters, SqsError> {
        self.dead_letters.get_or_try_init(|| self.find_dead_letters()).await
    }

    async fn find_dead_letters(&self) -> Result<DeadLetters, SqsError> {
        let redrive = self.redrive().await?.ok_or_else(|| SqsError::NoDeadLetterQueue(self.arn.clone()))?;
        let arn = QueueArn::parse(&redrive.dead_letter_arn)?;
        if arn.is_fifo() {
            return Err(SqsError::Fifo(arn.name));
        }
        let url = lookup::url_of(&self.client, &arn).await?;
        let size = lookup::attribute(&self.client, &url, QueueAttributeName::MaximumMessageSize).await;
        let message_size = match size {
            Ok(size) => size.and_then(|it| it.parse().ok()).unwrap_or(MESSAGE_SIZE),
            Err(error) => {
                tracing::debug!(queue = arn.name, error = %error, "the queue's message size is not known");
                MESSAGE_SIZE
            }
        };
        Ok(DeadLetters { url, message_size })
    }

    async fn send_to_dead_letters(&self, message: &QueueMessage, cause: &ParkCause) -> Result<(), SqsError> {
        let to = self.dead_letters().await?;
        let mut request = self.client.send_message().queue_url(&to.url).message_body(&message.body);
        for (name, value) in attributes::of(message, cause, to.message_size) {
            request = request.message_attributes(name, text(value).map_err(|error| self.unbuilt(&error))?);
        }
        request.send().await.map_err(|error| SqsError::failed(&to.url, &error))?;
        tracing::debug!(message_id = message.message_id, queue = to.url, code = cause.code, "message parked");
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
        for messages in messages.chunks(MOST_DELETED) {
            let entries = messages.iter().enumerate().map(|(at, message)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(at.to_string());
                entry.receipt_handle(&message.receipt_handle).build().map_err(|error| self.unbuilt(&error))
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
        let attribute = text(event_type.to_owned()).map_err(|error| self.unbuilt(&error))?;
        let delay = seconds(delay).min(LONGEST_SEND_DELAY);
        let request = self.client.send_message().queue_url(url).message_body(body).delay_seconds(delay);
        let answer = request.message_attributes("type", attribute).send().await;
        let answer = answer.map_err(|error| SqsError::failed(url, &error))?;
        answer
            .message_id
            .filter(|id| !id.is_empty())
            .ok_or_else(|| SqsError::Unreadable { queue: self.arn.clone(), what: "message id" })
    }

    fn unbuilt(&self, error: &BuildError) -> SqsError {
        SqsError::Failed { queue: self.arn.clone(), answer: error.to_string() }
    }
}

/// Whole seconds, rounded up: no sooner than told.
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
        self.send_to_dead_letters(message, cause).await.map_err(|error| error.of(PARK, message))
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
        self.hide(message, delay).await.map_err(|error| error.of(DELAY, message))
    }

    async fn max_receive_count(&self) -> Result<Option<u32>, QueueError> {
        let redrive = self.redrive().await;
        let redrive = redrive.map_err(|error| QueueError::RedrivePolicy { cause: error.into() })?;
        Ok(redrive.map(|it| it.max_receive_count))
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_DELAY, seconds};
    use std::time::Duration;

    #[test]
    fn a_delay_is_rounded_up_and_within_what_sqs_takes() {
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_mins(1)), 60);
        assert_eq!(seconds(Duration::MAX), i32::try_from(LONGEST_DELAY).unwrap());
    }
}
