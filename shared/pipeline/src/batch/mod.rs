//! A batch of queue messages: parsed one by one, coalesced by test, synced with bounded concurrency
//! within the function's time, and settled message by message.

mod groups;
mod named;
mod run;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use quiz_events::QueueMessage;
use tokio::time::Instant;

pub use quiz_messaging::Backoff;

use crate::coordinator::Coordinator;
use crate::listener::Listener;
use crate::ports::{Clock, SourceQueue};
use crate::sync::SessionSync;

/// How a batch uses the function's time and the stores' patience.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchLimits {
    /// Tests synced at the same time.
    pub concurrency: usize,
    /// No test is begun with less time than this left, beside the commit's.
    pub start_reserve: Duration,
    /// What is kept for committing the batch's tests together; none where each is written by itself. A test
    /// that is not staged by then is stopped, so that the others land.
    pub commit_reserve: Duration,
    /// A running test, or the commit, is stopped with this time left: enough to settle the messages.
    pub stop_reserve: Duration,
    pub backoff: Backoff,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            concurrency: 4,
            start_reserve: Duration::from_secs(20),
            commit_reserve: Duration::ZERO,
            stop_reserve: Duration::from_secs(8),
            backoff: Backoff::default(),
        }
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchReport {
    /// Ids of the messages that the queue is to keep (`batchItemFailures`).
    pub failed: Vec<String>,
    pub parked: usize,
    /// Tests synced.
    pub synced: usize,
    /// Messages done without a sync of their own.
    pub absorbed: usize,
}

/// Handles batches: everything but the batch itself and its deadline.
pub struct BatchHandler {
    pub sync: Arc<dyn SessionSync>,
    pub coordinator: Coordinator,
    pub listener: Arc<dyn Listener>,
    pub clock: Arc<dyn Clock>,
    pub limits: BatchLimits,
}

impl BatchHandler {
    /// Handles messages of one queue. Whatever happens to one message or test, the others get their
    /// own result.
    pub async fn handle(
        &self,
        messages: &[QueueMessage],
        queue: &dyn SourceQueue,
        deadline: Instant,
    ) -> BatchReport {
        let grouped = groups::group(messages);
        let results = run::run(self, grouped.groups, messages, queue, deadline).await;
        let synced = results.iter().filter(|it| it.synced).count();
        let absorbed = results.iter().map(|it| it.absorbed).sum();
        let failures = results.into_iter().flat_map(|it| it.failures).chain(grouped.rejected);
        let verdicts = settle::verdicts(messages.len(), failures);
        let settled = settle::settle(self, messages, verdicts, queue, deadline).await;
        self.listener.batch_ended().await;
        BatchReport { synced, absorbed, ..settled }
    }
}
