use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use quiz_events::SourceQueues;
use quiz_lambda::sqs;
use tokio::time::Instant;

use crate::batch::Notifier;

/// Answers Lambda's SQS events.
pub struct Handler {
    notifier: Notifier,
    queues: Arc<dyn SourceQueues>,
}

impl Handler {
    #[must_use]
    pub fn new(notifier: Notifier, queues: Arc<dyn SourceQueues>) -> Self {
        Self { notifier, queues }
    }

    /// Handles one event before `deadline`; the answer names the messages that are to come again.
    pub async fn handle(&self, event: SqsEvent, deadline: Instant) -> SqsBatchResponse {
        let mut failed = Vec::new();
        for (arn, messages) in sqs::by_queue(event) {
            let queue = self.queues.by_arn(&arn);
            failed.extend(self.notifier.handle(&messages, &*queue, deadline).await);
        }
        sqs::response(failed)
    }
}
