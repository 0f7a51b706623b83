use std::time::Duration;

use quiz_events::SessionTarget;
use quiz_sync_state::FollowUp;
use serde_json::json;

use crate::ports::{QueueError, SourceQueue};

/// Sends a message to the sink's own queue that asks for the test again, no sooner than at `due`.
pub(super) async fn send(
    target: &SessionTarget,
    due: i64,
    now: i64,
    queue: &dyn SourceQueue,
) -> Result<FollowUp, QueueError> {
    let event_type = "session.sync";
    let body = json!({
        "type": event_type,
        "session_id": target.session_id,
        "quiz_id": target.quiz_id,
        "reason": "follow-up of the sync",
    });
    let delay = Duration::from_millis(u64::try_from(due.saturating_sub(now)).unwrap_or_default());
    let message_id = queue.send(&body.to_string(), event_type, delay).await?;
    Ok(FollowUp { message_id, due })
}
