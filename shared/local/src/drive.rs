use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use quiz_events::QueueMessage;

use crate::queue::MemoryQueue;

/// Counts of the work on a queue so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriveReport {
    pub batches: usize,
    /// Messages handled and deleted.
    pub handled: usize,
    /// Failures: a message that fails twice counts twice.
    pub failed: usize,
    /// Messages in the dead-letter queue, including those from before the run.
    pub dead_letters: usize,
}

/// Acts as the event source mapping of a Lambda function, until the queue is empty.
///
/// Each batch has at most `batch_size` messages. `handler` returns the ids of the failed messages: the other messages
/// are deleted, and the failed ones return after their visibility timeout. A panic or an unknown id fails the whole
/// batch, as in Lambda. `progress` is called after each batch.
///
/// Without a receive limit on the queue, a message that always fails keeps the loop running.
pub async fn drive<H, F>(
    queue: &MemoryQueue,
    batch_size: usize,
    handler: H,
    mut progress: impl FnMut(&DriveReport),
) -> DriveReport
where
    H: Fn(Vec<QueueMessage>) -> F,
    F: Future<Output = Vec<String>>,
{
    let mut report = DriveReport::default();
    loop {
        let batch = queue.receive(batch_size.max(1));
        if !batch.is_empty() {
            handle(queue, batch, &handler, &mut report).await;
            progress(&report);
        } else if let Some(visible_at) = queue.next_visible_at() {
            let wait = Duration::try_from(visible_at.duration_since(queue.now())).unwrap_or_default();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = queue.changed() => {}
            }
        } else if queue.is_empty() {
            report.dead_letters = queue.dead_letter_count();
            return report;
        }
    }
}

async fn handle<H, F>(queue: &MemoryQueue, batch: Vec<QueueMessage>, handler: &H, report: &mut DriveReport)
where
    H: Fn(Vec<QueueMessage>) -> F,
    F: Future<Output = Vec<String>>,
{
    let receipts: Vec<(String, String)> =
        batch.iter().map(|message| (message.message_id.clone(), message.receipt_handle.clone())).collect();
    let ids: HashSet<&str> = receipts.iter().map(|(id, _)| id.as_str()).collect();
    let run = AssertUnwindSafe(async { handler(batch).await });
    let failed: HashSet<String> = match run.catch_unwind().await {
        Ok(failed) if failed.iter().all(|id| ids.contains(id.as_str())) => failed.into_iter().collect(),
        Ok(failed) => {
            tracing::error!(?failed, "handler returned unknown message ids");
            ids.iter().map(ToString::to_string).collect()
        }
        Err(_) => {
            tracing::error!(messages = ids.len(), "handler panicked");
            ids.iter().map(ToString::to_string).collect()
        }
    };
    for (_, receipt) in receipts.iter().filter(|(id, _)| !failed.contains(id)) {
        queue.delete(receipt);
    }
    report.batches += 1;
    report.failed += failed.len();
    report.handled += receipts.len() - failed.len();
    report.dead_letters = queue.dead_letter_count();
}
