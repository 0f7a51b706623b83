use std::time::Duration;

use quiz_events::{QueueError, SessionTarget, SourceQueue, SyncRequest};
use quiz_sync_state::FollowUp;

/// Sends the `depth`th follow-up in a row to the sink's own queue: a request for the same test session, visible at `due`
/// (milliseconds since 1970).
pub(super) async fn send(
    target: &SessionTarget,
    depth: u32,
    due: i64,
    now: i64,
    queue: &dyn SourceQueue,
) -> Result<FollowUp, QueueError> {
    let request = SyncRequest {
        targets: vec![target.clone()],
        reason: Some("follow-up of the sync".to_owned()),
        follow_up_depth: Some(depth),
        ..SyncRequest::default()
    };
    let delay = Duration::from_millis(u64::try_from(due.saturating_sub(now)).unwrap_or_default());
    let message_id = queue.send(&request.to_json().to_string(), SyncRequest::TYPE, delay).await?;
    Ok(FollowUp { message_id, due })
}
