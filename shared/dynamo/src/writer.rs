//! Writes batches to a table until all their items are written, refused, or no retry may help.
//!
//! BatchWriteItem can fail in three ways, and each needs another answer:
//!
//! - **Unprocessed items or a throttled request**: send what is left again, with backoff. Progress resets the backoff.
//! - **An invalid request**: DynamoDB rejects the whole batch for one bad item and does not name the item. Halve the
//!   batch until the bad item is alone; it becomes a refusal, and all others are written.
//! - **A permanent error, or no success within [`WriteLimits`]**: fail, and stop the other batches of the same call.
//!
//! Invariants: several batches are in flight, limited by the [`Window`] that all calls share. Before each request the
//! fence is checked, and the fence counts each request without an answer, because DynamoDB may still apply it
//! (`docs/decisions/0008-sync-state.md`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::WriteRequest;
use futures::{StreamExt, stream};
use quiz_domain::reports::ReportTable;
use quiz_pipeline::ports::{Fence, PutOutcome, Refusal};
use tokio::time::{Instant, sleep_until};

use crate::batches::{WriteBatches, WriteStep};
use crate::error::{DynamoError, Fault, classify, is_final};
use crate::item::{Write, request_sort_key};
use crate::limits::WriteLimits;
use crate::window::Window;

/// How often a wait checks whether the fence still holds.
const FENCE_CHECK: Duration = Duration::from_millis(200);

/// Sends batches, several at a time, and retries the items that DynamoDB did not write.
pub(crate) struct Writer {
    client: Client,
    limits: WriteLimits,
    /// All test sessions that sync at the same time share the window.
    in_flight: Window,
}

/// The table and fence of one call. `stopped` is set when one of the call's batches fails; the others then stop.
#[derive(Clone, Copy)]
struct Target<'a> {
    table: ReportTable,
    name: &'a str,
    stopped: &'a AtomicBool,
    fence: &'a Fence,
}

/// The result of one batch, or of several.
#[derive(Default)]
struct Tally {
    done: PutOutcome,
    /// Items that are neither written nor refused.
    left: usize,
    failure: Option<WriteFailure>,
}

enum WriteFailure {
    GaveUp { attempts: u32, last: String },
    Permanent(DynamoError),
}

/// The result of a request and its retries.
struct SendResult {
    written: usize,
    left: Vec<WriteRequest>,
    end: SendEnd,
}

enum SendEnd {
    /// All items are written, or another batch failed.
    Done,
    /// DynamoDB finds one of the items that are left invalid.
    Invalid(String),
    Failed(WriteFailure),
}

impl Writer {
    /// `client` must not retry by itself.
    pub fn new(client: Client, limits: WriteLimits) -> Self {
        Self { client, limits, in_flight: Window::new(limits.requests) }
    }

    /// Writes all items; the result counts the written items and names the refused ones.
    pub async fn write(
        &self,
        table: ReportTable,
        name: &str,
        writes: impl Iterator<Item = Result<Write, Refusal>> + Send,
        fence: &Fence,
    ) -> Result<PutOutcome, DynamoError> {
        let stopped = AtomicBool::new(false);
        let target = Target { table, name, stopped: &stopped, fence };
        let batches = stream::iter(WriteBatches::new(writes)).map(|step| self.run_step(target, step));
        let mut tally = Tally::default();
        let mut batches = std::pin::pin!(batches.buffer_unordered(self.limits.requests.max(1)));
        while let Some(batch) = batches.next().await {
            tally.merge(batch);
        }
        match tally.failure {
            None => Ok(tally.done),
            Some(WriteFailure::Permanent(error)) => Err(error),
            Some(WriteFailure::GaveUp { attempts, last }) => {
                Err(DynamoError::GaveUp { left: tally.left, attempts, last })
            }
        }
    }

    async fn run_step(&self, target: Target<'_>, step: WriteStep) -> Tally {
        match step {
            WriteStep::Refused(refusal) => {
                let done = PutOutcome { written: 0, refused: vec![refusal] };
                Tally { done, ..Tally::default() }
            }
            WriteStep::Send(batch) => self.write_batch(target, batch).await,
        }
    }

    /// Writes a batch. If DynamoDB finds it invalid, the batch is halved until the invalid item is alone.
    async fn write_batch(&self, target: Target<'_>, batch: Vec<WriteRequest>) -> Tally {
        let mut tally = Tally::default();
        let mut pending = vec![batch];
        while let Some(requests) = pending.pop() {
            let mut sent = self.send(target, requests).await;
            tally.done.written += sent.written as u64;
            match sent.end {
                SendEnd::Done => tally.left += sent.left.len(),
                SendEnd::Invalid(reason) if sent.left.len() > 1 => {
                    tracing::debug!(
                        table = target.name,
                        items = sent.left.len(),
                        reason,
                        "invalid batch is halved"
                    );
                    pending.push(sent.left.split_off(sent.left.len() / 2));
                    pending.push(sent.left);
                }
                SendEnd::Invalid(reason) => {
                    let refused = sent.left.iter().map(|request| request_sort_key(request, target.table));
                    let refused = refused.map(|sort_key| Refusal { sort_key, reason: reason.clone() });
                    tally.done.refused.extend(refused);
                }
                SendEnd::Failed(failure) => {
                    target.stopped.store(true, Ordering::Relaxed);
                    tally.left += sent.left.len();
                    tally.failure.get_or_insert(failure);
                }
            }
        }
        tally
    }

    /// Sends the requests, and again those that DynamoDB leaves, until none is left or a limit is reached.
    async fn send(&self, target: Target<'_>, mut requests: Vec<WriteRequest>) -> SendResult {
        let started = Instant::now();
        let mut written = 0;
        let mut failures = 0;
        loop {
            if requests.is_empty() || target.stopped.load(Ordering::Relaxed) {
                return SendResult { written, left: requests, end: SendEnd::Done };
            }
            // Send once. What remains in `requests` needs a retry because of `reason`.
            let reason = match self.send_once(target, &requests).await {
                Ok(unprocessed) => {
                    let accepted = requests.len().saturating_sub(unprocessed.len());
                    written += accepted;
                    requests = unprocessed;
                    if requests.is_empty() {
                        continue;
                    }
                    if accepted > 0 {
                        failures = 0;
                    }
                    "DynamoDB left them unprocessed".to_owned()
                }
                Err(Fault::Transient(reason)) => reason,
                Err(Fault::Invalid(reason)) => {
                    return SendResult { written, left: requests, end: SendEnd::Invalid(reason) };
                }
                Err(Fault::Permanent(error)) => {
                    let end = SendEnd::Failed(WriteFailure::Permanent(error));
                    return SendResult { written, left: requests, end };
                }
            };
            // Wait before the retry, or give up.
            failures += 1;
            let wait = self.limits.wait(failures);
            if failures >= self.limits.attempts || started.elapsed() + wait > self.limits.total {
                let failure = WriteFailure::GaveUp { attempts: failures, last: reason };
                return SendResult { written, left: requests, end: SendEnd::Failed(failure) };
            }
            tracing::debug!(
                table = target.name,
                items = requests.len(),
                attempt = failures,
                wait_ms = wait.as_secs_f64() * 1e3,
                reason,
                "retry of unwritten items"
            );
            sleep_while(target.fence, wait).await;
        }
    }

    /// Sends one request; returns the unprocessed items.
    async fn send_once(
        &self,
        target: Target<'_>,
        requests: &[WriteRequest],
    ) -> Result<Vec<WriteRequest>, Fault> {
        let slot = self.in_flight.acquire().await;
        // check the fence last: the wait for a slot can outlast the lease
        let Some(sent) = target.fence.send() else {
            return Err(Fault::Permanent(DynamoError::LeaseOver));
        };
        let request = self.client.batch_write_item().request_items(target.name, requests.to_vec());
        let answer = request.send().await;
        if answer.as_ref().err().is_none_or(is_final) {
            sent.answered();
        }
        let answer = answer.map_err(|error| classify(&error, target.table));
        let unprocessed = answer.map(|answer| {
            let tables = answer.unprocessed_items.unwrap_or_default();
            tables.into_values().flatten().collect::<Vec<_>>()
        });
        match &unprocessed {
            Ok(unprocessed) if unprocessed.is_empty() => slot.accepted(),
            Ok(_) | Err(Fault::Transient(_)) => slot.throttled(),
            Err(Fault::Invalid(_) | Fault::Permanent(_)) => drop(slot),
        }
        unprocessed
    }
}

/// Sleeps for `wait`, or until the fence ends: the call must then return at once.
async fn sleep_while(fence: &Fence, wait: Duration) {
    let until = Instant::now() + wait;
    while fence.holds() && Instant::now() < until {
        sleep_until(until.min(Instant::now() + FENCE_CHECK)).await;
    }
}

impl Tally {
    fn merge(&mut self, other: Self) {
        self.done.written += other.done.written;
        self.done.refused.extend(other.done.refused);
        self.left += other.left;
        self.failure = self.failure.take().or(other.failure);
    }
}
