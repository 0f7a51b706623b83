use std::error::Error;

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use quiz_events::{QueueError, QueueMessage};
use thiserror::Error as ThisError;

/// What is wrong with a queue or the way to it: the cause within a [`QueueError`]. No text holds a
/// message's body.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum SqsError {
    /// No retry helps.
    #[error("{0:?} is no ARN of an SQS queue")]
    NoQueueArn(String),
    /// Until the queue has one, no retry helps.
    #[error("the queue {0} has no dead-letter queue: give it a redrive policy")]
    NoDeadLetterQueue(String),
    /// No retry helps.
    #[error("the dead-letter queue {0} is a FIFO queue, in which messages cannot be parked")]
    Fifo(String),
    /// What the queue tells of itself does not read as SQS writes it; a retry may help.
    #[error("the queue {queue} tells no {what} that can be read")]
    Unreadable { queue: String, what: &'static str },
    /// SQS or the network failed, or access is denied; a retry may help.
    #[error("queue {queue}: {answer}")]
    Failed { queue: String, answer: String },
}

impl SqsError {
    pub(crate) fn of(self, action: &'static str, message: &QueueMessage) -> QueueError {
        QueueError::Message { action, message_id: message.message_id.clone(), cause: Box::new(self) }
    }

    pub(crate) fn failed<E>(queue: &str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        Self::Failed { queue: queue.to_owned(), answer: answer_of(error) }
    }
}

/// What the service answered, or what happened on the way to it.
pub(crate) fn answer_of<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    quiz_events::answer_of(error.code(), error.message(), error)
}
