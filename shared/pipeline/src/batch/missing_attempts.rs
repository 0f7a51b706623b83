//! Completions whose attempt cannot be read yet.
//!
//! An event can arrive before MongoDB shows the attempt that it announces. No sync covers such a completion, so its
//! message returns to the queue and is tried again.

use std::collections::HashSet;

use jiff::Timestamp;

use super::groups::Group;
use crate::error::SyncError;
use crate::listener::Failure;
use crate::sync::SessionSync;

/// Finds the messages of a group whose user has no ended attempt yet; returns their places and failures. The group is
/// synced all the same, because other requests may have joined these messages. If an attempt was written after its message
/// was sent, the message counts as sent at that later time.
pub(super) async fn find(
    sync: &dyn SessionSync,
    group: &mut Group,
    now: Timestamp,
) -> Result<Vec<(usize, Failure)>, SyncError> {
    let users: HashSet<&String> = group.members.iter().filter_map(|member| member.user_id.as_ref()).collect();
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let users: Vec<String> = users.into_iter().cloned().collect();
    let target = &group.request.target;
    let quiz_id = target.quiz_id.clone();
    let ended = sync.ended(target, &users).await?;
    let mut failures = Vec::new();
    for member in &mut group.members {
        let Some(user_id) = &member.user_id else { continue };
        match ended.get(user_id) {
            Some(written_at) => member.sent_at = member.sent_at.max(written_at.map(|at| at.min(now))),
            None => failures.push((member.place, not_found(&quiz_id))),
        }
    }
    if !failures.is_empty() {
        let messages = failures.len();
        tracing::warn!(messages, quiz_id, "completions whose ended attempt is not there yet");
    }
    group.update_requested_at();
    Ok(failures)
}

/// The message itself names the student: the error goes to the log and to Discord, which name none.
fn not_found(quiz_id: &str) -> Failure {
    let error = format!("the student of this completion has no ended attempt at quiz {quiz_id}");
    Failure::short("attempt_not_found", error)
}
