//! Writes each operator's action to the log, which is the record of who did what, when and why.
//!
//! The line comes before any post, so an outage of Discord does not delay it, and a parked notice has its line.
//! The memory marks a written line, so a redelivered notice has no second one. A crash between the two, or a lost memory,
//! can repeat a line: the repeated line has the same `notice_id`.

use quiz_events::{Notice, NoticeKind, NoticeMessage, OperatorActed};

use crate::memory::Memory;

/// Logs the actions among the notices that have no line yet.
pub async fn log_actions(memory: &dyn Memory, notices: &[NoticeMessage]) {
    let mut actions: Vec<(&Notice, &OperatorActed)> = Vec::new();
    for message in notices {
        let NoticeMessage::Notice(notice) = message else { continue };
        let NoticeKind::OperatorActed(acted) = &notice.kind else { continue };
        if actions.iter().all(|(known, _)| known.id != notice.id) {
            actions.push((notice, acted));
        }
    }
    if actions.is_empty() {
        return;
    }
    let marks: Vec<String> = actions.iter().map(|(notice, _)| mark(notice)).collect();
    let logged = memory.recall(&marks, &[]).await.map(|recalled| recalled.notices).unwrap_or_default();
    actions.retain(|(notice, _)| !logged.contains(&mark(notice)));
    for (notice, acted) in &actions {
        // the target lets these lines pass every log level, see `quiz_lambda::telemetry`
        tracing::info!(
            target: "audit",
            notice_id = notice.id,
            at = %notice.at,
            action = acted.action,
            by = acted.by,
            identity = acted.identity,
            reason = acted.reason,
            acted_on = acted.target,
            count = acted.count,
            session_ids = acted.session_ids.join(" "),
            command_version = acted.version,
            command_commit = notice.commit,
            "operator acted"
        );
    }
    let written: Vec<String> = actions.iter().map(|(notice, _)| mark(notice)).collect();
    if let Err(error) = memory.remember(&written).await {
        tracing::warn!(error = error.0, "logged actions not remembered, a redelivery logs them again");
    }
}

fn mark(notice: &Notice) -> String {
    format!("logged:{}", notice.id)
}
