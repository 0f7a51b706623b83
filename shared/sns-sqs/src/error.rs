use std::error::Error;

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use quiz_events::{QueueError, QueueMessage};
use thiserror::Error as ThisError;

/// An error of a queue or of the connection to SQS: the cause in a [`QueueError`]. No text contains a message's body.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum SqsError {
    /// No retry helps.
    #[error("{0:?} is no ARN of an SQS queue")]
    InvalidQueueArn(String),
    /// No retry helps until the queue has a dead-letter queue.
    #[error("the queue {0} has no dead-letter queue: give it a redrive policy")]
    NoDeadLetterQueue(String),
    /// No retry helps.
    #[error("the dead-letter queue {0} is a FIFO queue: use a standard queue")]
    Fifo(String),
    /// SQS answered without the value, or with an invalid one; a retry may help.
    #[error("cannot read the {what} of the queue {queue} from the answer of SQS")]
    Unreadable { queue: String, what: &'static str },
    /// SQS or the network failed, or access is denied; a retry may help.
    #[error("queue {queue}: {answer}")]
    Failed { queue: String, answer: String },
}

impl SqsError {
    /// The port's error for this failure of `action` on a message.
    pub(crate) fn into_queue_error(self, action: &'static str, message: &QueueMessage) -> QueueError {
        QueueError::Message { action, message_id: message.message_id.clone(), cause: Box::new(self) }
    }

    pub(crate) fn failed<E>(queue: &str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        Self::Failed { queue: queue.to_owned(), answer: service_answer(error) }
    }
}

/// The service's error code and message, or the error of the connection.
pub(crate) fn service_answer<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    quiz_events::error_cause(error.code(), error.message(), error)
}

/// Whether SNS refuses the message, so that no retry helps.
pub(crate) fn is_refusal<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    ["NotFound", "AuthorizationError", "InvalidParameter", "AccessDenied", "InvalidClientTokenId"]
        .iter()
        .any(|refusal| code.starts_with(refusal))
}
