use jiff::Timestamp;
use quiz_sns_sqs::dead_letters::{Content, DeadLetter, DeadLetterAction};
use serde_json::{Value, json};

use crate::dead_letters::carry_out::PlanOutcome;
use crate::dead_letters::client::SearchedQueue;
use crate::dead_letters::plan::ActionPlan;
use crate::dead_letters::summary::group_by_cause;

pub(crate) fn queues(searched: &[SearchedQueue]) -> Value {
    let json = |queue: &SearchedQueue| {
        json!({
            "name": queue.name,
            "messages_seen": queue.coverage.seen,
            "held_elsewhere": queue.coverage.held_elsewhere,
            "error": queue.coverage.trouble.as_ref().map(ToString::to_string),
        })
    };
    searched.iter().map(json).collect()
}

pub(crate) fn causes<'a>(letters: impl IntoIterator<Item = &'a DeadLetter>) -> Value {
    let groups = group_by_cause(letters).into_iter().map(|group| {
        json!({
            "queue": group.queue,
            "error_code": group.error_code,
            "messages": group.messages,
            "oldest": time(group.oldest),
            "newest": time(group.newest),
            "example_session_id": group.example_session,
            "example_error": group.example_error,
        })
    });
    groups.collect()
}

pub(crate) fn letter(letter: &DeadLetter, now: Timestamp) -> Value {
    json!({
        "message_id": letter.message_id,
        "queue": letter.queue,
        "error_code": letter.error_code,
        "error": letter.error,
        "parked_at": time(letter.parked_at),
        "sent_at": time(letter.sent_at),
        "first_received_at": time(letter.first_received_at),
        "age_seconds": letter.since().map(|since| now.duration_since(since).as_secs()),
        "receives": letter.receives,
        "source_arn": letter.source_arn,
        "event_type": letter.event_type,
        "session_ids": letter.session_ids,
    })
}

/// A message with its content: `body` as stored, `published` without the envelope of SNS.
pub(crate) fn details(message: &DeadLetter, content: &Content, now: Timestamp) -> Value {
    let published = content.published();
    let published = serde_json::from_str(&published).unwrap_or(Value::String(published));
    let mut details = letter(message, now);
    if let Value::Object(fields) = &mut details {
        fields.insert("attributes".into(), json!(content.attributes));
        fields.insert("body".into(), content.body.clone().into());
        fields.insert("published".into(), published);
    }
    details
}

/// The plan; with an outcome, also what was done.
pub(crate) fn plan(plan: &ActionPlan<'_>, dry_run: bool, outcome: Option<&PlanOutcome<'_>>) -> Value {
    let left = plan.without_source.iter().map(|(letter, reason)| {
        json!({"message_id": letter.message_id, "queue": letter.queue, "error": reason.to_string()})
    });
    let failed = outcome.map(PlanOutcome::failed).unwrap_or_default();
    let failed = failed
        .into_iter()
        .map(|(queue, message_id, error)| json!({"message_id": message_id, "queue": queue, "error": error}));
    let done = match plan.act {
        DeadLetterAction::Replay => "replayed",
        DeadLetterAction::Drop => "dropped",
    };
    json!({
        "dry_run": dry_run,
        "chosen": plan.messages() + plan.without_source.len(),
        "causes": causes(plan.letters()),
        done: outcome.map_or(0, PlanOutcome::done),
        "failed": left.chain(failed).collect::<Value>(),
        "not_found": outcome.map(PlanOutcome::not_found).unwrap_or_default(),
        "remaining": outcome.map_or(plan.messages(), PlanOutcome::remaining),
        "interrupted": outcome.is_some_and(|outcome| outcome.is_interrupted),
    })
}

fn time(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}
