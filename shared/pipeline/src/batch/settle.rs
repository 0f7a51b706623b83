use std::time::Duration;

use futures::{StreamExt, stream};
use quiz_events::QueueMessage;
use tokio::time::{Instant, timeout_at};

use super::{BatchHandler, BatchReport};
use crate::listener::{Failure, Held};
use crate::ports::{ParkCause, SourceQueue};

/// Calls to the queue in flight.
const CALLS: usize = 16;
/// What the function needs to answer once all is settled.
const ANSWER: Duration = Duration::from_secs(1);
/// How many of a message's failures its cause tells; the rest are counted.
const TOLD: usize = 3;

/// What each message of the batch comes to, by its place: `None` is done.
pub(super) fn verdicts(
    messages: usize,
    failed: impl Iterator<Item = (usize, Failure)>,
) -> Vec<Option<Failure>> {
    let mut failures: Vec<Vec<Failure>> = vec![Vec::new(); messages];
    for (place, failure) in failed {
        if let Some(failures) = failures.get_mut(place) {
            failures.push(failure);
        }
    }
    failures.iter().map(|failures| verdict(failures)).collect()
}

/// Of a message's failures: one that a retry may mend keeps the message in its queue.
fn verdict(failures: &[Failure]) -> Option<Failure> {
    if let Some(held) = failures.iter().filter(|it| it.held.is_some()).max_by_key(|it| it.held) {
        return Some(held.clone());
    }
    if let Some(temporary) = failures.iter().find(|it| !it.permanent) {
        return Some(temporary.clone());
    }
    let first = failures.first()?.clone();
    let mut told: Vec<String> = failures.iter().take(TOLD).map(|it| it.error.clone()).collect();
    if failures.len() > TOLD {
        told.push(format!("and {} more of the message's tests failed", failures.len() - TOLD));
    }
    Some(Failure { error: told.join("; "), ..first })
}

/// Parks what can never succeed or has had its last try, and delays what is to be tried again.
///
/// It ends before `deadline`: a message that the queue could not be told about in time is kept, and comes
/// back after the queue's own visibility timeout.
pub(super) async fn settle(
    handler: &BatchHandler,
    messages: &[QueueMessage],
    verdicts: Vec<Option<Failure>>,
    queue: &dyn SourceQueue,
    deadline: Instant,
) -> BatchReport {
    let end = deadline.checked_sub(ANSWER).unwrap_or_else(Instant::now);
    let failures: Vec<_> =
        messages.iter().zip(verdicts).filter_map(|(message, verdict)| Some((message, verdict?))).collect();
    let last_try = if failures.iter().any(|(_, failure)| !failure.permanent) {
        timeout_at(end, last_try(queue)).await.ok().flatten()
    } else {
        None
    };
    let settled: Vec<Settled> = stream::iter(failures)
        .map(|(message, failure)| async move {
            let is_last = last_try.is_some_and(|last| message.receive_count >= last);
            let park_it = failure.permanent || (is_last && failure.held.is_none());
            let settled = async {
                if park_it {
                    park(handler, message, failure, queue).await
                } else {
                    retry(handler, message, failure.held, queue).await
                }
            };
            let in_time = timeout_at(end, settled).await;
            in_time.unwrap_or_else(|_| Settled::Kept(message.message_id.clone()))
        })
        .buffered(CALLS)
        .collect()
        .await;
    let mut report = BatchReport::default();
    for settled in settled {
        match settled {
            Settled::Parked => report.parked += 1,
            Settled::Kept(id) => report.failed.push(id),
        }
    }
    report
}

enum Settled {
    Parked,
    Kept(String),
}

/// The count of receives after which the queue gives a message up.
pub(super) async fn last_try(queue: &dyn SourceQueue) -> Option<u32> {
    queue.max_receive_count().await.unwrap_or_else(|error| {
        tracing::warn!(error = %error, "the queue does not tell its redrive policy");
        None
    })
}

async fn park(
    handler: &BatchHandler,
    message: &QueueMessage,
    failure: Failure,
    queue: &dyn SourceQueue,
) -> Settled {
    let cause =
        ParkCause { code: failure.code.to_owned(), error: failure.error, parked_at: handler.clock.now() };
    match queue.park(message, &cause).await {
        Ok(()) => {
            handler.listener.parked(message, &cause).await;
            Settled::Parked
        }
        Err(error) => {
            tracing::error!(message_id = message.message_id, error = %error, "message not parked, kept");
            retry(handler, message, None, queue).await
        }
    }
}

async fn retry(
    handler: &BatchHandler,
    message: &QueueMessage,
    held: Option<Held>,
    queue: &dyn SourceQueue,
) -> Settled {
    let backoff = handler.limits.backoff.wait(message.receive_count);
    let wait = match held {
        Some(Held::UnderWay(left)) => left,
        Some(Held::LeaseLeft(left)) => backoff.max(left),
        None => backoff,
    };
    if let Err(error) = queue.delay(message, wait).await {
        tracing::warn!(message_id = message.message_id, error = %error, "visibility not changed");
    }
    Settled::Kept(message.message_id.clone())
}
