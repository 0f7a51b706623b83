//! Failures before a lease is taken: a dependency is down, or the batch cannot begin. The sync state keeps these
//! failures as well.

use futures::{StreamExt, stream};
use jiff::Timestamp;
use quiz_events::{QueueMessage, Sink, SourceQueue};
use quiz_sync_state::{RunFailure, SyncState};
use tokio::time::timeout_at;

use super::BatchHandler;
use super::groups::Group;
use super::run::{GroupResult, NOT_STARTED};
use super::settle::most_receives;
use super::time::BatchTime;
use crate::dependency::Dependency;
use crate::listener::{Failure, Patience};

/// The failure as the state keeps it. The failure is `parked` if every message of the group has had its last try.
pub(super) async fn to_run_failure(
    group: &Group,
    messages: &[QueueMessage],
    queue: &dyn SourceQueue,
    failure: &Failure,
) -> RunFailure {
    let most = most_receives(queue).await;
    let mut group_messages = group.members.iter().filter_map(|member| messages.get(member.place));
    let last = failure.last_receive(most);
    let parked = last.is_some_and(|last| group_messages.all(|message| message.receive_count >= last));
    RunFailure { code: failure.code.to_owned(), error: failure.error.clone(), parked }
}

/// Extends a short patience during and soon after an outage: the message used up its receives while the service was down,
/// so missing data gets more time to arrive.
pub(super) fn extend_patience_after_outage(
    state: &SyncState,
    sink: Sink,
    now: Timestamp,
    failure: Failure,
) -> Failure {
    let is_outage = |code: &str| Dependency::from_failure(sink, code).is_some();
    let is_near = state.has_lately_failed(now.as_millisecond(), is_outage);
    if failure.patience == Patience::Short && is_near {
        return Failure { patience: Patience::Long, ..failure };
    }
    failure
}

/// Fails one group before its lease is taken: stores the failure and reports it.
pub(super) async fn fail_group(
    handler: &BatchHandler,
    group: Group,
    messages: &[QueueMessage],
    queue: &dyn SourceQueue,
    time: BatchTime,
    failure: Failure,
) -> GroupResult {
    // a test session that did not start because time was short has not failed
    if failure.code != NOT_STARTED {
        let stored = async {
            let why = to_run_failure(&group, messages, queue, &failure).await;
            let group_messages: Vec<&QueueMessage> =
                group.members.iter().filter_map(|member| messages.get(member.place)).collect();
            handler.coordinator.store_early_failure(&group.request, &group_messages, &why).await;
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
pub(super) async fn fail_all(
    handler: &BatchHandler,
    groups: Vec<Group>,
    messages: &[QueueMessage],
    queue: &dyn SourceQueue,
    time: BatchTime,
    failure: &Failure,
) -> Vec<GroupResult> {
    stream::iter(groups)
        .map(|group| fail_group(handler, group, messages, queue, time, failure.clone()))
        .buffer_unordered(handler.limits.concurrency.max(1))
        .collect()
        .await
}
