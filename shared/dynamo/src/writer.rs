use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::WriteRequest;
use futures::{StreamExt, stream};
use quiz_domain::reports::ReportTable;
use quiz_pipeline::ports::{Fence, PutOutcome, Refusal};
use tokio::time::{Instant, sleep_until};

use crate::batches::{Batches, Step};
use crate::error::{DynamoError, Fault, fault, is_answer};
use crate::item::{Write, sort_key_of};
use crate::limits::WriteLimits;
use crate::window::Window;

/// How often a wait looks whether the lease is over.
const LOOK: Duration = Duration::from_millis(200);

/// Sends batches, several at a time, and retries what DynamoDB did not take.
pub(crate) struct Writer {
    client: Client,
    limits: WriteLimits,
    /// Sessions that run together share it.
    in_flight: Window,
}

/// Where one call of the store writes to. When one of its batches fails, the others stop.
#[derive(Clone, Copy)]
struct Target<'a> {
    table: ReportTable,
    name: &'a str,
    stopped: &'a AtomicBool,
    fence: &'a Fence,
}

/// What has become of a batch, or of several.
#[derive(Default)]
struct Tally {
    done: PutOutcome,
    left: usize,
    failure: Option<Failure>,
}

enum Failure {
    GaveUp { attempts: u32, last: String },
    Permanent(DynamoError),
}

/// The end of a request and its retries.
struct Sent {
    written: usize,
    left: Vec<WriteRequest>,
    end: End,
}

enum End {
    /// Nothing is left, or another batch failed.
    Done,
    Invalid(String),
    Failed(Failure),
}

impl Writer {
    /// `client` must not retry by itself.
    pub fn new(client: Client, limits: WriteLimits) -> Self {
        Self { client, limits, in_flight: Window::new(limits.requests) }
    }

    pub async fn write(
        &self,
        table: ReportTable,
        name: &str,
        writes: impl Iterator<Item = Result<Write, Refusal>> + Send,
        fence: &Fence,
    ) -> Result<PutOutcome, DynamoError> {
        let stopped = AtomicBool::new(false);
        let target = Target { table, name, stopped: &stopped, fence };
        let batches = stream::iter(Batches::new(writes)).map(|step| self.step(target, step));
        let mut tally = Tally::default();
        let mut batches = std::pin::pin!(batches.buffer_unordered(self.limits.requests.max(1)));
        while let Some(batch) = batches.next().await {
            tally.merge(batch);
        }
        match tally.failure {
            None => Ok(tally.done),
            Some(Failure::Permanent(error)) => Err(error),
            Some(Failure::GaveUp { attempts, last }) => {
                Err(DynamoError::GaveUp { left: tally.left, attempts, last })
            }
        }
    }

    async fn step(&self, target: Target<'_>, step: Step) -> Tally {
        match step {
            Step::Refused(refusal) => {
                let done = PutOutcome { written: 0, refused: vec![refusal] };
                Tally { done, ..Tally::default() }
            }
            Step::Write(batch) => self.batch(target, batch).await,
        }
    }

    /// Writes a batch. Where DynamoDB finds something in it invalid, it is halved until the culprit is
    /// alone.
    async fn batch(&self, target: Target<'_>, batch: Vec<WriteRequest>) -> Tally {
        let mut tally = Tally::default();
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let mut sent = self.send(target, part).await;
            tally.done.written += sent.written as u64;
            match sent.end {
                End::Done => tally.left += sent.left.len(),
                End::Invalid(reason) if sent.left.len() > 1 => {
                    tracing::debug!(table = target.name, items = sent.left.len(), reason, "batch is halved");
                    parts.push(sent.left.split_off(sent.left.len() / 2));
                    parts.push(sent.left);
                }
                End::Invalid(reason) => {
                    let refused = sent.left.iter().map(|request| sort_key_of(request, target.table));
                    let refused = refused.map(|sort_key| Refusal { sort_key, reason: reason.clone() });
                    tally.done.refused.extend(refused);
                }
                End::Failed(failure) => {
                    target.stopped.store(true, Ordering::Relaxed);
                    tally.left += sent.left.len();
                    tally.failure.get_or_insert(failure);
                }
            }
        }
        tally
    }

    async fn send(&self, target: Target<'_>, mut requests: Vec<WriteRequest>) -> Sent {
        let started = Instant::now();
        let mut written = 0;
        let mut fruitless = 0;
        loop {
            if requests.is_empty() || target.stopped.load(Ordering::Relaxed) {
                return Sent { written, left: requests, end: End::Done };
            }
            let reason = match self.once(target, &requests).await {
                Ok(unprocessed) => {
                    let taken = requests.len().saturating_sub(unprocessed.len());
                    written += taken;
                    requests = unprocessed;
                    if requests.is_empty() {
                        continue;
                    }
                    if taken > 0 {
                        fruitless = 0;
                    }
                    "DynamoDB left them unprocessed".to_owned()
                }
                Err(Fault::Transient(reason)) => reason,
                Err(Fault::Invalid(reason)) => {
                    return Sent { written, left: requests, end: End::Invalid(reason) };
                }
                Err(Fault::Permanent(error)) => {
                    return Sent { written, left: requests, end: End::Failed(Failure::Permanent(error)) };
                }
            };
            fruitless += 1;
            let wait = self.limits.wait(fruitless);
            if fruitless >= self.limits.attempts || started.elapsed() + wait > self.limits.total {
                let failure = Failure::GaveUp { attempts: fruitless, last: reason };
                return Sent { written, left: requests, end: End::Failed(failure) };
            }
            tracing::debug!(
                table = target.name,
                items = requests.len(),
                attempt = fruitless,
                wait_ms = wait.as_secs_f64() * 1e3,
                reason,
                "items are written again"
            );
            sleep_while(target.fence, wait).await;
        }
    }

    /// One request; what DynamoDB left unprocessed.
    async fn once(&self, target: Target<'_>, requests: &[WriteRequest]) -> Result<Vec<WriteRequest>, Fault> {
        let place = self.in_flight.enter().await;
        // asked last: a permit can take longer to come than the lease holds
        let Some(sent) = target.fence.send() else {
            return Err(Fault::Permanent(DynamoError::LeaseOver));
        };
        let request = self.client.batch_write_item().request_items(target.name, requests.to_vec());
        let answer = request.send().await;
        if answer.as_ref().err().is_none_or(is_answer) {
            sent.answered();
        }
        let answer = answer.map_err(|error| fault(&error, target.table));
        let answer = answer.map(|it| it.unprocessed_items.unwrap_or_default());
        let left = answer.map(|it| it.into_values().flatten().collect::<Vec<_>>());
        match &left {
            Ok(left) if left.is_empty() => place.taken(),
            Ok(_) | Err(Fault::Transient(_)) => place.refused(),
            Err(Fault::Invalid(_) | Fault::Permanent(_)) => drop(place),
        }
        left
    }
}

/// Sleeps, but not on when the lease is over: what is written by then is to be told at once.
async fn sleep_while(fence: &Fence, wait: Duration) {
    let until = Instant::now() + wait;
    while fence.holds() && Instant::now() < until {
        sleep_until(until.min(Instant::now() + LOOK)).await;
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
