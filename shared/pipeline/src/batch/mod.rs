//! A batch of queue messages: parsed one by one, coalesced by test, synced with bounded concurrency
//! within the function's time, and settled message by message.

mod early;
mod groups;
mod named;
mod run;
mod settle;
mod time;

use std::sync::Arc;
use std::time::Duration;

use quiz_events::{Backoff, QueueMessage, SourceQueue};
use tokio::time::Instant;

use crate::coordinator::{Coordinator, Isolation};
use crate::listener::Listener;
use crate::ports::Clock;
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

/// Follow-ups of suspects are due at this distance, so that few of them meet in one batch.
const BETWEEN_SUSPECTS: Duration = Duration::from_secs(5);

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
        let time = time::Time::of(&self.limits, deadline);
        let mut settlement = settle::Settlement::new(self, messages, queue, deadline);
        settlement.add_failures(grouped.rejected);
        let ended = run::run(self, grouped.groups, messages, queue, time, Isolation::Wait).await;
        let (results, mut isolated) = ended.least_suspect_first();
        settlement.add(results);
        settlement.settle(&isolated).await;
        // one of them is run, with nothing left that its crash could cost; each other one gets a message of its own
        for (other, place) in isolated.split_off(isolated.len().min(1)).into_iter().zip(0..) {
            let isolation = Isolation::Defer { after: BETWEEN_SUSPECTS.saturating_mul(place) };
            let ended = run::run(self, vec![other], messages, queue, time, isolation).await;
            settlement.add(ended.results);
        }
        settlement.settle(&isolated).await;
        if !isolated.is_empty() {
            // the notices of settled messages go out with them
            self.listener.batch_ended().await;
            settlement.delete_settled().await;
            let ended = run::run(self, isolated, messages, queue, time, Isolation::Alone).await;
            settlement.add(ended.results);
            settlement.settle(&[]).await;
        }
        self.listener.batch_ended().await;
        settlement.report
    }
}
