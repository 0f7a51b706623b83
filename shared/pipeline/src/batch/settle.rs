use futures::{StreamExt, stream};
use quiz_events::QueueMessage;

use super::groups::Group;
use super::{BatchHandler, BatchReport};
use crate::listener::Failure;
use crate::ports::{ParkCause, SourceQueue};

/// Calls to the queue in flight.
const CALLS: usize = 16;

/// What each message of the batch comes to, by its place: `None` is done.
pub(super) fn verdicts(
    messages: usize,
    rejected: Vec<(usize, Failure)>,
    results: &[(Group, Result<(), Failure>)],
) -> Vec<Option<Failure>> {
    let mut verdicts: Vec<Option<Failure>> = vec![None; messages];
    let of_groups = results.iter().filter_map(|(group, result)| Some((group, result.as_ref().err()?)));
    let failures =
        of_groups.flat_map(|(group, failure)| group.members.iter().map(move |it| (*it, failure.clone())));
    for (place, failure) in rejected.into_iter().chain(failures) {
        if let Some(verdict) = verdicts.get_mut(place) {
            *verdict = Some(match verdict.take() {
                Some(other) => worse(other, failure),
                None => failure,
            });
        }
    }
    verdicts
}

/// Of a message's several failures: one that a retry may mend keeps the message in its queue.
fn worse(one: Failure, other: Failure) -> Failure {
    if one.permanent && other.permanent {
        Failure { error: format!("{}; {}", one.error, other.error), ..one }
    } else if one.permanent {
        other
    } else {
        one
    }
}

/// Parks what can never succeed or has had its last try, and delays what is to be tried again.
pub(super) async fn settle(
    handler: &BatchHandler,
    messages: &[QueueMessage],
    verdicts: Vec<Option<Failure>>,
    queue: &dyn SourceQueue,
    synced: usize,
) -> BatchReport {
    let failures: Vec<_> =
        messages.iter().zip(verdicts).filter_map(|(message, verdict)| Some((message, verdict?))).collect();
    let last_try =
        if failures.iter().any(|(_, failure)| !failure.permanent) { last_try(queue).await } else { None };
    let settled: Vec<Settled> = stream::iter(failures)
        .map(|(message, failure)| async move {
            if failure.permanent || last_try.is_some_and(|last| message.receive_count >= last) {
                park(handler, message, failure, queue).await
            } else {
                retry(handler, message, queue).await
            }
        })
        .buffered(CALLS)
        .collect()
        .await;
    let mut report = BatchReport { synced, ..BatchReport::default() };
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

async fn last_try(queue: &dyn SourceQueue) -> Option<u32> {
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
            retry(handler, message, queue).await
        }
    }
}

async fn retry(handler: &BatchHandler, message: &QueueMessage, queue: &dyn SourceQueue) -> Settled {
    let wait = handler.limits.backoff.wait(message.receive_count);
    if let Err(error) = queue.delay(message, wait).await {
        tracing::warn!(message_id = message.message_id, error = %error, "visibility not changed");
    }
    Settled::Kept(message.message_id.clone())
}
