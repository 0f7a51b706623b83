//! A batch of queue messages: grouped by test session, synced within the function's time, settled message by message.
//!
//! Problem: one invocation gets up to some hundred messages. Broken messages, failing test sessions and the deadline must
//! not affect the other messages, and a test session that crashes the process must not take its neighbours along.
//!
//! Idea: each step works on the whole batch, and each failure belongs to one message or one group:
//! group the messages, sync the groups a few at a time, commit the staged rows together, then settle each message.
//! Test sessions whose last run crashed run last and alone, after all other messages are settled and deleted.
//!
//! - A message is acknowledged only after its test sessions are synced, covered, joined or deferred, or if it requests no
//!   sync.
//! - Each step ends before the deadline; a message that is not settled by then returns to its queue.
//!
//! See docs/decisions/0002-retry-or-park.md and docs/decisions/0013-crashes.md.

mod early;
mod groups;
mod missing_attempts;
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
    /// Test sessions synced at the same time.
    pub concurrency: usize,
    /// A test session starts only if this much time is left, in addition to `commit_reserve`.
    pub start_reserve: Duration,
    /// Time reserved for the joint commit of the batch; zero if each test session is written alone. A test session that is
    /// not staged by then is stopped, so that the others are committed.
    pub commit_reserve: Duration,
    /// A running sync or commit is stopped with this much time left: enough to settle the messages.
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

/// The result of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchReport {
    /// Ids of the messages that stay in the queue (`batchItemFailures`).
    pub failed: Vec<String>,
    pub parked: usize,
    /// Test sessions synced.
    pub synced: usize,
    /// Messages that were joined, covered or deferred.
    pub absorbed: usize,
}

/// Handles batches: all that batches share.
pub struct BatchHandler {
    pub sync: Arc<dyn SessionSync>,
    pub coordinator: Coordinator,
    pub listener: Arc<dyn Listener>,
    pub clock: Arc<dyn Clock>,
    pub limits: BatchLimits,
}

impl BatchHandler {
    /// Handles messages of one queue. Each message and each test session gets its own result.
    pub async fn handle(
        &self,
        messages: &[QueueMessage],
        queue: &dyn SourceQueue,
        deadline: Instant,
    ) -> BatchReport {
        let grouped = groups::group(messages);
        let time = time::BatchTime::new(&self.limits, deadline);
        let mut settlement = settle::Settlement::new(self, messages, queue, deadline);
        settlement.add_failures(grouped.rejected);
        for (place, change) in grouped.changes {
            if let Some(message) = messages.get(place) {
                self.listener.session_changed(message, change).await;
            }
        }
        // step 1: sync all test sessions but the suspects
        let ended = run::run(self, grouped.groups, messages, queue, time, Isolation::Wait).await;
        let (results, mut isolated) = ended.least_suspect_first();
        settlement.add(results);
        settlement.settle(&isolated).await;
        // step 2: defer all suspects but the least suspect one, each to a follow-up of its own
        for (other, place) in isolated.split_off(isolated.len().min(1)).into_iter().zip(0..) {
            let isolation = Isolation::Defer { after: BETWEEN_SUSPECTS.saturating_mul(place) };
            let ended = run::run(self, vec![other], messages, queue, time, isolation).await;
            settlement.add(ended.results);
        }
        settlement.settle(&isolated).await;
        if !isolated.is_empty() {
            // step 3: run the last suspect alone; send the notices and delete the settled messages first, so that a crash
            // cannot repeat them
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
