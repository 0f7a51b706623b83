use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use quiz_events::{SessionClock, SourceQueues};
use quiz_pipeline::batch::BatchHandler;
use tokio::time::Instant;

use crate::sqs;

/// Answers Lambda's SQS events.
pub struct Handler {
    batches: BatchHandler,
    queues: Arc<dyn SourceQueues>,
    session_clock: SessionClock,
}

impl Handler {
    #[must_use]
    pub fn new(batches: BatchHandler, queues: Arc<dyn SourceQueues>) -> Self {
        Self { batches, queues, session_clock: SessionClock::default() }
    }

    /// From now on reads the times of descriptions by this clock.
    #[must_use]
    pub fn with_session_clock(self, session_clock: SessionClock) -> Self {
        Self { session_clock, ..self }
    }

    /// Handles one event before `deadline`; the answer names the messages that are to come again.
    pub async fn handle(&self, event: SqsEvent, deadline: Instant) -> SqsBatchResponse {
        let mut failed = Vec::new();
        for (arn, mut messages) in sqs::by_queue(event) {
            for message in &mut messages {
                message.session_clock = self.session_clock;
            }
            let queue = self.queues.by_arn(&arn);
            let report = self.batches.handle(&messages, &*queue, deadline).await;
            tracing::info!(
                queue = arn,
                messages = messages.len(),
                synced = report.synced,
                parked = report.parked,
                failed = report.failed.len(),
                "batch handled"
            );
            failed.extend(report.failed);
        }
        sqs::response(failed)
    }
}
