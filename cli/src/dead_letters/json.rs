use jiff::Timestamp;
use quiz_sns_sqs::dead_letters::{Act, Content, DeadLetter};
use serde_json::{Value, json};

use crate::dead_letters::carry_out::Outcome;
use crate::dead_letters::plan::Plan;
use crate::dead_letters::summary::by_cause;
use crate::dead_letters::world::QueueLook;

pub(crate) fn queues(looks: &[QueueLook]) -> Value {
    let queue = |look: &QueueLook| {
        json!({
            "name": look.name,
            "messages_seen": look.coverage.seen,
            "held_elsewhere": look.coverage.held_elsewhere,
            "error": look.coverage.trouble.as_ref().map(ToString::to_string),
        })
    };
    looks.iter().map(queue).collect()
}

pub(crate) fn causes<'a>(letters: impl IntoIterator<Item = &'a DeadLetter>) -> Value {
    let groups = by_cause(letters).into_iter().map(|group| {
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

/// With what the message holds: `body` as it lies there, `published` as it was published.
pub(crate) fn whole(about: &DeadLetter, content: &Content, now: Timestamp) -> Value {
    let published = content.published();
    let published = serde_json::from_str(&published).unwrap_or(Value::String(published));
    let mut whole = letter(about, now);
    if let Value::Object(fields) = &mut whole {
        fields.insert("attributes".into(), json!(content.attributes));
        fields.insert("body".into(), content.body.clone().into());
        fields.insert("published".into(), published);
    }
    whole
}

/// What is going to be done; with an outcome, what was.
pub(crate) fn plan(plan: &Plan<'_>, dry_run: bool, outcome: Option<&Outcome<'_>>) -> Value {
    let left = plan.homeless.iter().map(|(letter, why)| {
        json!({"message_id": letter.message_id, "queue": letter.queue, "error": why.to_string()})
    });
    let failed = outcome.map(Outcome::failed).unwrap_or_default();
    let failed = failed
        .into_iter()
        .map(|(queue, message_id, error)| json!({"message_id": message_id, "queue": queue, "error": error}));
    let done = match plan.act {
        Act::Replay => "replayed",
        Act::Drop => "dropped",
    };
    json!({
        "dry_run": dry_run,
        "chosen": plan.messages() + plan.homeless.len(),
        "causes": causes(plan.letters()),
        done: outcome.map_or(0, Outcome::done),
        "failed": left.chain(failed).collect::<Value>(),
        "not_found": outcome.map(Outcome::not_found).unwrap_or_default(),
        "remaining": outcome.map_or(plan.messages(), Outcome::remaining),
        "interrupted": outcome.is_some_and(|outcome| outcome.is_interrupted),
    })
}

fn time(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}
