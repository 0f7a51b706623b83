//! Failures that come before a lease is taken: a dependency is down, or the batch cannot begin. The sync state keeps
//! them, too.

use futures::{StreamExt, stream};
use jiff::Timestamp;
use quiz_events::{QueueMessage, Sink, SourceQueue};
use quiz_sync_state::{RunFailure, SyncState};
use tokio::time::timeout_at;

use super::BatchHandler;
use super::groups::Group;
use super::run::{GroupResult, NOT_STARTED};
use super::settle::most_receives;
use super::time::Time;
use crate::dependency::Dependency;
use crate::listener::{Failure, Patience};

/// The failure as the state keeps it: parked where none of the group's messages comes again.
pub(super) async fn as_stored(
    group: &Group,
    messages: &[QueueMessage],
    queue: &dyn SourceQueue,
    failure: &Failure,
) -> RunFailure {
    let most = most_receives(queue).await;
    let mut of_group = group.members.iter().filter_map(|member| messages.get(member.place));
    let last = failure.last_receive(most);
    let parked = last.is_some_and(|last| of_group.all(|message| message.receive_count >= last));
    RunFailure { code: failure.code.to_owned(), error: failure.error.clone(), parked }
}

/// A message that waited out an outage has used up the receives of a short patience: what is missing gets a little longer
/// to come.
pub(super) fn after_outage(state: &SyncState, sink: Sink, now: Timestamp, failure: Failure) -> Failure {
    let is_outage = |code: &str| Dependency::from_failure(sink, code).is_some();
    let is_near = state.has_lately_failed(now.as_millisecond(), is_outage);
    if failure.patience == Patience::Short && is_near {
        return Failure { patience: Patience::Long, ..failure };
    }
    failure
}

pub(super) async fn failed(
    handler: &BatchHandler,
    group: Group,
    messages: &[QueueMessage],
    queue: &dyn SourceQueue,
    time: Time,
    failure: Failure,
) -> GroupResult {
    // a test session that was not begun for want of time has not failed
    if failure.code != NOT_STARTED {
        let stored = async {
            let why = as_stored(&group, messages, queue, &failure).await;
            let of_group = group.members.iter().filter_map(|member| messages.get(member.place));
            let of_group: Vec<&QueueMessage> = of_group.collect();
            handler.coordinator.failed_early(&group.request, &of_group, &why).await;
        };
        if timeout_at(time.end, stored).await.is_err() {
            let session_id = &group.request.target.session_id;
            tracing::warn!(session_id, "failure not stored in time");
        }
    }
    handler.listener.failed(&group.request.target, &failure).await;
    GroupResult::failed(&group, Vec::new(), &failure)
}

/// Fails all groups of a batch that cannot begin.
pub(super) async fn all_failed(
    handler: &BatchHandler,
    groups: Vec<Group>,
    messages: &[QueueMessage],
    queue: &dyn SourceQueue,
    time: Time,
    failure: &Failure,
) -> Vec<GroupResult> {
    stream::iter(groups)
        .map(|group| failed(handler, group, messages, queue, time, failure.clone()))
        .buffer_unordered(handler.limits.concurrency.max(1))
        .collect()
        .await
}
