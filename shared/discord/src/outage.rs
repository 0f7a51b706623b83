//! A service is down, and test sessions wait for it; and that it works again.

use std::time::Duration;

use quiz_events::{Notice, Outage, OutageOver, Sink};

use crate::card::{Card, Outcome};
use crate::senders::Senders;
use crate::text::{ago, count, counted, lasting, plain};

const NAME: usize = 40;
const CODE: usize = 60;
const ERROR: usize = 600;

/// The card that each pass of reconcile edits.
pub fn of_outage(notice: &Notice, outage: &Outage) -> Card {
    let dependency = plain(&outage.dependency, NAME);
    let sessions = counted(outage.waiting.saturating_add(outage.parked), "test session");
    let has_recovered = outage.worked_at > Some(outage.failed_at);
    let (outcome, title) = if has_recovered {
        (Outcome::Odd, format!("{dependency} works again: {sessions} still late"))
    } else {
        (Outcome::Bad, format!("{dependency} is down: {sessions} late"))
    };
    let lines = [
        format!("Since {}, as of {}.", ago(outage.since), ago(notice.at)),
        format!("Nothing is lost. {} of these test sessions are late.", late(&outage.sinks)),
        "Each message is retried every 15 minutes at most, and reconcile requests parked test sessions again when the \
         service works. No replay is needed."
            .to_owned(),
    ];
    let fields = vec![
        ("Waiting".to_owned(), count(outage.waiting), true),
        ("Parked".to_owned(), count(outage.parked), true),
        ("Last success".to_owned(), outage.worked_at.map_or_else(|| "unknown".to_owned(), ago), true),
        ("What to do".to_owned(), next_step(&outage.dependency), false),
        (
            format!("Newest error, {}", plain(&outage.error_code, CODE)),
            format!("{}\n{}", plain(&outage.error, ERROR), ago(outage.failed_at)),
            false,
        ),
    ];
    Card {
        outcome,
        title,
        description: lines.join("\n"),
        fields,
        picture: None,
        notices: Vec::new(),
        senders: Senders::of([notice]),
    }
}

/// The card below it, once no test session waits any more.
pub fn of_outage_over(notice: &Notice, over: &OutageOver) -> Card {
    let lasted = over.until.duration_since(over.since);
    let lasted = lasting(Duration::try_from(lasted).unwrap_or_default());
    let synced = counted(over.synced, "test session");
    let lines = [
        format!("It failed from {} to {}.", ago(over.since), ago(over.until)),
        format!("{synced} waited for it and {} synced now. Nothing is left to do.", are(over.synced)),
    ];
    Card {
        outcome: Outcome::Good,
        title: format!("{} works again after {lasted}", plain(&over.dependency, NAME)),
        description: lines.join("\n"),
        fields: Vec::new(),
        picture: None,
        notices: Vec::new(),
        senders: Senders::of([notice]),
    }
}

fn are(number: u64) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

fn late(sinks: &[Sink]) -> &'static str {
    match (sinks.contains(&Sink::Reports), sinks.contains(&Sink::Warehouse)) {
        (true, false) => "The reports",
        (false, true) => "The rows in BigQuery",
        _ => "The reports and the rows in BigQuery",
    }
}

fn next_step(dependency: &str) -> String {
    let group = match dependency {
        "MongoDB" => " --only mongodb",
        "DynamoDB" => " --only dynamodb",
        "BigQuery" => " --only bigquery",
        "SQS" => " --only sqs",
        _ => "",
    };
    format!("`quiz-etl doctor{group}` shows what is wrong. docs/RUNBOOK.md, a-service-is-down")
}
