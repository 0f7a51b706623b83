use async_trait::async_trait;
use quiz_events::{QueueMessage, SourceQueue};
use quiz_pipeline::batch::BatchHandler;
use tokio::time::Instant;

use crate::sqs::MessageHandler;

#[async_trait]
impl MessageHandler for BatchHandler {
    async fn handle(
        &self,
        messages: &[QueueMessage],
        queue: &dyn SourceQueue,
        deadline: Instant,
    ) -> Vec<String> {
        let report = Self::handle(self, messages, queue, deadline).await;
        tracing::info!(
            messages = messages.len(),
            synced = report.synced,
            parked = report.parked,
            failed = report.failed.len(),
            "batch handled"
        );
        report.failed
    }
}
