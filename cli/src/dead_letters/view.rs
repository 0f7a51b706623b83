use jiff::{Timestamp, Unit};
use quiz_sns_sqs::dead_letters::{Act, Content, DeadLetter, DeadLetterQueue};
use serde_json::Value;

use crate::dead_letters::carry_out::{Outcome, by_reason};
use crate::dead_letters::plan::Plan;
use crate::dead_letters::summary::{CauseGroup, by_cause, telling_length};
use crate::ui::{Ink, age, clean, count, counted, excerpt, printable, seconds, short, table};

/// Of a time that nobody knows.
const UNKNOWN: &str = "?";

pub(crate) fn list(letters: &[DeadLetter], limit: usize, now: Timestamp, ink: Ink) -> String {
    let groups = by_cause(letters);
    let mut lines = vec![ink.strong(&counted(letters.len(), "message")), causes(&groups, now)];
    if limit > 0 {
        lines.push(String::new());
        lines.push(messages(letters, limit, now));
    }
    if limit < letters.len() && limit > 0 {
        let shown = format!("The oldest {} of {}", count(limit), counted(letters.len(), "message"));
        lines.push(ink.quiet(&format!("{shown}: --limit {} shows all, and so does --json.", letters.len())));
    }
    lines.push(String::new());
    lines.push(ink.quiet("Next: quiz-etl dlq show MESSAGE, then dlq replay or dlq drop"));
    lines.join("\n")
}

/// A table of the causes, and a sentence for each.
fn causes(groups: &[CauseGroup], now: Timestamp) -> String {
    let header = ["Queue", "Cause", "For example", "Messages", "Oldest", "Newest"].map(str::to_owned);
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
        groups.iter().map(|it| format!("{}: {}", short(&it.error_code), excerpt(&it.example_error)));
    lines.extend(sentences);
    lines.dedup();
    lines.join("\n")
}

fn messages(letters: &[DeadLetter], limit: usize, now: Timestamp) -> String {
    let length = telling_length(letters);
    let mut letters: Vec<&DeadLetter> = letters.iter().collect();
    letters.sort_by_key(|letter| (letter.since().unwrap_or(Timestamp::MAX), &letter.message_id));
    let header = ["Message", "Queue", "Cause", "What", "Test", "Age"].map(str::to_owned);
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

/// Everything of one message.
pub(crate) fn whole(
    letter: &DeadLetter,
    content: &Content,
    queue: Option<&DeadLetterQueue>,
    raw: bool,
    now: Timestamp,
    ink: Ink,
) -> String {
    let time = |time: Option<Timestamp>| {
        time.map(|time| {
            let whole = time.round(Unit::Second).unwrap_or(time);
            format!("{whole}, {} ago", age(now.duration_since(time)))
        })
    };
    let source = queue.map(|queue| match queue.source_of(letter.source_arn.as_deref()) {
        Ok(source) => source.name.clone(),
        Err(why) => why.to_string(),
    });
    let fields = [
        ("Cause", Some(format!("{}: {}", clean(&letter.error_code), clean(&letter.error)))),
        ("Came from", source),
        ("Parked", time(letter.parked_at)),
        ("Sent", time(letter.sent_at)),
        ("Received", Some(format!("{}, this time included", counted(letter.receives, "time")))),
        ("What", letter.event_type.as_deref().map(clean)),
        ("Tests", Some(letter.session_ids.iter().map(|it| clean(it)).collect::<Vec<_>>().join(", "))),
    ];
    let mut lines =
        vec![ink.strong(&format!("Message {} of {}", clean(&letter.message_id), clean(&letter.queue)))];
    let given =
        fields.into_iter().filter_map(|(name, value)| Some((name, value.filter(|it| !it.is_empty())?)));
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

/// What is going to be done.
pub(crate) fn plan(plan: &Plan<'_>, now: Timestamp, ink: Ink) -> String {
    let verb = match plan.act {
        Act::Replay => "To replay",
        Act::Drop => "To drop",
    };
    let mut lines = vec![ink.strong(&format!("{verb}: {}", counted(plan.messages(), "message")))];
    if plan.messages() > 0 {
        lines.push(causes(&by_cause(plan.letters()), now));
    }
    lines.extend(homeless(plan, ink));
    lines.join("\n")
}

/// What is left where it is, each reason once.
fn homeless(plan: &Plan<'_>, ink: Ink) -> Vec<String> {
    let left = plan.homeless.iter();
    let left: Vec<_> =
        left.map(|(it, why)| (it.queue.as_str(), it.message_id.as_str(), why.to_string())).collect();
    let line = |(reason, messages, id): (String, usize, String)| {
        let messages = counted(messages, "message");
        ink.warning(&format!("{messages} cannot be replayed, such as {id} in {}", clean(&reason)))
    };
    by_reason(&left).into_iter().map(line).collect()
}

/// What was done.
pub(crate) fn outcome(plan: &Plan<'_>, outcome: &Outcome<'_>, ink: Ink) -> String {
    let done = match plan.act {
        Act::Replay => "replayed",
        Act::Drop => "dropped",
    };
    let told = format!(
        "{} of {} {done} in {}",
        count(outcome.done()),
        counted(plan.messages(), "message"),
        seconds(outcome.time)
    );
    let mut lines = vec![if outcome.is_whole() { ink.good(&told) } else { ink.strong(&told) }];
    for (reason, messages, id) in by_reason(&outcome.failed()) {
        let messages = counted(messages, "message");
        lines.push(ink.bad(&format!("{messages} failed, such as {id} in {}", clean(&reason))));
    }
    let not_found = outcome.not_found().len();
    if not_found > 0 {
        let messages = counted(not_found, "message");
        lines.push(ink.warning(&format!(
            "{messages} not found: somebody else has taken what is not there, or holds it"
        )));
    }
    if outcome.remaining() > 0 {
        let why = if outcome.is_interrupted { "interrupted" } else { "not all could be read" };
        let messages = counted(outcome.remaining(), "message");
        lines.push(ink.warning(&format!(
            "{why}: {messages} still to do, and still in the dead-letter queue; the same command goes on"
        )));
    }
    lines.extend(homeless(plan, ink));
    lines.join("\n")
}

#[cfg(test)]
mod tests;
