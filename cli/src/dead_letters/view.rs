use jiff::{Timestamp, Unit};
use quiz_sns_sqs::dead_letters::{Content, DeadLetter, DeadLetterAction, DeadLetterQueue};
use serde_json::Value;

use crate::dead_letters::carry_out::{PlanOutcome, group_by_reason};
use crate::dead_letters::plan::ActionPlan;
use crate::dead_letters::summary::{CauseGroup, distinct_prefix_length, group_by_cause};
use crate::ui::{Ink, age, clean, count, counted, excerpt, printable, seconds, short, table};

/// Shown for an unknown time.
const UNKNOWN: &str = "?";

pub(crate) fn list(letters: &[DeadLetter], limit: usize, now: Timestamp, ink: Ink) -> String {
    let groups = group_by_cause(letters);
    let mut lines = vec![ink.strong(&counted(letters.len(), "message")), causes(&groups, now)];
    if limit > 0 {
        lines.push(String::new());
        lines.push(messages(letters, limit, now));
    }
    if limit < letters.len() && limit > 0 {
        let shown = format!("The oldest {} of {}", count(limit), counted(letters.len(), "message"));
        lines.push(ink.quiet(&format!("{shown}; --limit {} or --json shows all.", letters.len())));
    }
    lines.push(String::new());
    lines.push(ink.quiet("Next: quiz-etl dlq show MESSAGE, then quiz-etl dlq replay or quiz-etl dlq drop"));
    lines.join("\n")
}

/// A table of the causes, and a sentence for each.
fn causes(groups: &[CauseGroup], now: Timestamp) -> String {
    let header = ["Queue", "Cause", "Example", "Messages", "Oldest", "Newest"].map(str::to_owned);
    let rows = groups.iter().map(|group| {
        vec![
            group.queue.clone(),
            short(&group.error_code),
            group.example_session.as_deref().map(short).unwrap_or_default(),
            count(group.messages),
            ago(group.oldest, now),
            ago(group.newest, now),
        ]
    });
    let mut lines = vec![table(3, &header, rows)];
    let sentences =
        groups.iter().map(|group| format!("{}: {}", short(&group.error_code), excerpt(&group.example_error)));
    lines.extend(sentences);
    lines.dedup();
    lines.join("\n")
}

fn messages(letters: &[DeadLetter], limit: usize, now: Timestamp) -> String {
    let length = distinct_prefix_length(letters);
    let mut letters: Vec<&DeadLetter> = letters.iter().collect();
    letters.sort_by_key(|letter| (letter.since().unwrap_or(Timestamp::MAX), &letter.message_id));
    let header = ["Message", "Queue", "Cause", "Type", "Test session", "Age"].map(str::to_owned);
    let rows = letters.into_iter().take(limit).map(|letter| {
        vec![
            letter.message_id.chars().take(length).collect(),
            letter.queue.clone(),
            short(&letter.error_code),
            letter.event_type.as_deref().map(short).unwrap_or_default(),
            tests(letter),
            ago(letter.since(), now),
        ]
    });
    table(5, &header, rows)
}

fn tests(letter: &DeadLetter) -> String {
    match letter.session_ids.as_slice() {
        [] => String::new(),
        [one] => short(one),
        [one, others @ ..] => format!("{} and {} more", short(one), others.len()),
    }
}

fn ago(time: Option<Timestamp>, now: Timestamp) -> String {
    time.map_or_else(|| UNKNOWN.to_owned(), |time| age(now.duration_since(time)))
}

/// One message with cause, times, attributes and body.
pub(crate) fn details(
    letter: &DeadLetter,
    content: &Content,
    queue: Option<&DeadLetterQueue>,
    raw: bool,
    now: Timestamp,
    ink: Ink,
) -> String {
    let time = |time: Option<Timestamp>| {
        time.map(|time| {
            let rounded = time.round(Unit::Second).unwrap_or(time);
            format!("{rounded}, {} ago", age(now.duration_since(time)))
        })
    };
    let source = queue.map(|queue| match queue.find_source(letter.source_arn.as_deref()) {
        Ok(source) => source.name.clone(),
        Err(reason) => reason.to_string(),
    });
    let fields = [
        ("Cause", Some(format!("{}: {}", clean(&letter.error_code), clean(&letter.error)))),
        ("Came from", source),
        ("Parked", time(letter.parked_at)),
        ("Sent", time(letter.sent_at)),
        ("Received", Some(format!("{}, including now", counted(letter.receives, "time")))),
        ("Type", letter.event_type.as_deref().map(clean)),
        ("Sessions", Some(letter.session_ids.iter().map(|id| clean(id)).collect::<Vec<_>>().join(", "))),
    ];
    let mut lines =
        vec![ink.strong(&format!("Message {} of {}", clean(&letter.message_id), clean(&letter.queue)))];
    let given =
        fields.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
    lines.extend(given.map(|(name, value)| format!("  {name:<10} {value}")));
    lines.push("  Attributes".to_owned());
    let attributes = content.attributes.iter();
    lines.extend(attributes.map(|(name, value)| format!("    {} = {}", clean(name), clean(value))));
    lines.push("  Body".to_owned());
    lines.extend(body(content, raw).lines().map(|line| format!("    {line}")));
    lines.push(ink.quiet(&format!("Next: quiz-etl dlq replay --id {}", clean(&letter.message_id))));
    lines.join("\n")
}

fn body(content: &Content, raw: bool) -> String {
    let text = if raw { content.body.clone() } else { content.published() };
    let pretty = |text: &String| {
        let value: Value = serde_json::from_str(text).ok()?;
        serde_json::to_string_pretty(&value).ok()
    };
    let text = if raw { text } else { pretty(&text).unwrap_or(text) };
    printable(&text, false)
}

/// The plan of a replay or a drop.
pub(crate) fn plan(plan: &ActionPlan<'_>, now: Timestamp, ink: Ink) -> String {
    let verb = match plan.act {
        DeadLetterAction::Replay => "To replay",
        DeadLetterAction::Drop => "To drop",
    };
    let mut lines = vec![ink.strong(&format!("{verb}: {}", counted(plan.messages(), "message")))];
    if plan.messages() > 0 {
        lines.push(causes(&group_by_cause(plan.letters()), now));
    }
    lines.extend(without_source(plan, ink));
    lines.join("\n")
}

/// The messages that stay, grouped by reason.
fn without_source(plan: &ActionPlan<'_>, ink: Ink) -> Vec<String> {
    let left = plan.without_source.iter();
    let left: Vec<_> = left
        .map(|(letter, reason)| (letter.queue.as_str(), letter.message_id.as_str(), reason.to_string()))
        .collect();
    let line = |(reason, messages, id): (String, usize, String)| {
        let messages = counted(messages, "message");
        ink.warning(&format!("{messages} cannot be replayed, such as {id} in {}", clean(&reason)))
    };
    group_by_reason(&left).into_iter().map(line).collect()
}

/// The result of a replay or a drop.
pub(crate) fn outcome(plan: &ActionPlan<'_>, outcome: &PlanOutcome<'_>, ink: Ink) -> String {
    let done = match plan.act {
        DeadLetterAction::Replay => "replayed",
        DeadLetterAction::Drop => "dropped",
    };
    let done = format!(
        "{} of {} {done} in {}",
        count(outcome.done()),
        counted(plan.messages(), "message"),
        seconds(outcome.time)
    );
    let mut lines = vec![if outcome.is_complete() { ink.good(&done) } else { ink.strong(&done) }];
    for (reason, messages, id) in group_by_reason(&outcome.failed()) {
        let messages = counted(messages, "message");
        lines.push(ink.bad(&format!("{messages} failed, such as {id} in {}", clean(&reason))));
    }
    let not_found = outcome.not_found().len();
    if not_found > 0 {
        let messages = counted(not_found, "message");
        lines.push(
            ink.warning(&format!("{messages} not found: another consumer deleted it or is holding it")),
        );
    }
    if outcome.remaining() > 0 {
        let cause = if outcome.is_interrupted { "interrupted" } else { "not all messages were read" };
        let messages = counted(outcome.remaining(), "message");
        lines.push(ink.warning(&format!(
            "{cause}: {messages} left in the dead-letter queue; run the same command to continue"
        )));
    }
    lines.extend(without_source(plan, ink));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use quiz_sns_sqs::SqsError;
    use quiz_sns_sqs::dead_letters::{ActError, ActionReport, Content, DeadLetter, DeadLetterAction};

    use super::{details, list, outcome, plan};
    use crate::dead_letters::carry_out::PlanOutcome;
    use crate::dead_letters::fixtures::{letter, now, queue};
    use crate::dead_letters::plan::ActionPlan;
    use crate::ui::Ink;

    const INK: Ink = Ink { colour: false };

    fn letters() -> Vec<DeadLetter> {
        let mut letters: Vec<DeadLetter> = (0..5_000)
            .map(|at| letter(&format!("{at:08x}"), "reports-dlq", "unknown_quiz", 60 + at))
            .collect();
        let mut several = letter("ab\u{1b}[2J", "reports-dlq", "lease_lost", 90_000);
        several.session_ids.extend(["A".to_owned(), "B".to_owned()]);
        let alarm = DeadLetter {
            event_type: Some("alarm".into()),
            session_ids: Vec::new(),
            parked_at: None,
            ..letter("ff", "notices-dlq", "discord_refused", 5)
        };
        letters.extend([several, alarm]);
        letters
    }

    #[test]
    fn thousands_of_messages_are_grouped_by_cause() {
        insta::assert_snapshot!(list(&letters(), 5, now(), INK));
    }

    #[test]
    fn one_message_is_shown_in_full() {
        let letter =
            DeadLetter { sent_at: Some(now()), ..letter("1f2e3d4c", "reports-dlq", "invalid_field", 7_300) };
        let body = r#"{"Type":"Notification","TopicArn":"t","Message":"{\"session_id\":\"A\",\"x\":[1]}"}"#;
        let attributes = BTreeMap::from([("type".to_owned(), "session.sync".to_owned())]);
        let content = Content { attributes, body: body.to_owned() };
        let queue = queue("reports");
        insta::assert_snapshot!(details(&letter, &content, Some(&queue), false, now(), INK));
        let raw = details(&letter, &content, Some(&queue), true, now(), INK);
        assert!(raw.contains(&format!("    {body}\n")), "{raw}");
        let hostile = Content { body: "a\u{1b}[2J\nb".into(), ..content };
        assert!(details(&letter, &hostile, None, false, now(), INK).contains("    a\u{fffd}[2J\n    b\n"));
    }

    #[test]
    fn plan_and_outcomes_are_shown() {
        let mut shared = queue("reports");
        shared.sources.extend(queue("warehouse").sources);
        let queues = [shared, queue("notices")];
        let mut letters = letters();
        letters.drain(10..5_000);
        let mut given_up = letter("77", "reports-dlq", "receives_exhausted", 10);
        given_up.source_arn = Some(queues[0].sources[0].arn.clone());
        letters.push(given_up);
        let full_plan = ActionPlan::new(DeadLetterAction::Replay, &queues, letters);
        let group = |at: usize| &full_plan.groups[at];
        let denied = SqsError::Failed { queue: "reports".into(), answer: "AccessDenied".into() };
        let failed = ActionReport {
            failed: vec![("77".into(), ActError::NotSent(denied))],
            ..ActionReport::default()
        };
        let ended = |acted: ActionReport, other: ActionReport, is_interrupted| PlanOutcome {
            groups: vec![(group(0), acted), (group(1), other)],
            time: Duration::from_millis(1_234),
            is_interrupted,
        };
        let complete = ActionReport { done: vec!["ff".into()], ..ActionReport::default() };
        let late = ActionReport { remaining: 1, ..ActionReport::default() };
        let gone = ActionReport { not_found: vec!["77".into()], ..ActionReport::default() };
        let shown = [
            plan(&full_plan, now(), INK),
            outcome(&full_plan, &ended(failed, complete.clone(), false), INK),
            outcome(&full_plan, &ended(gone, late, true), INK),
            outcome(
                &ActionPlan::new(DeadLetterAction::Drop, &queues, vec![letter("ff", "notices-dlq", "x", 1)]),
                &ended(ActionReport::default(), complete, false),
                INK,
            ),
        ];
        insta::assert_snapshot!(shown.join("\n\n"));
    }
}
