//! The cards of an outage: a service is down and test sessions wait for it, and the service works again.

use std::time::Duration;

use quiz_events::{Notice, Outage, OutageOver, Sink};

use crate::card::{Card, Severity};
use crate::next_step::next_step;
use crate::senders::Senders;
use crate::text::{ago, count, counted, lasting, plain};

const NAME: usize = 40;
const CODE: usize = 60;
const ERROR: usize = 600;

/// The card of an open outage; each pass of reconcile edits it.
pub fn outage_card(notice: &Notice, outage: &Outage) -> Card {
    let dependency = plain(&outage.dependency, NAME);
    let sessions = counted(outage.waiting.saturating_add(outage.parked), "test session");
    let has_recovered = outage.worked_at > Some(outage.failed_at);
    let (severity, title) = if has_recovered {
        (Severity::Warning, format!("{dependency} works again: {sessions} still late"))
    } else {
        (Severity::Failure, format!("{dependency} is down: {sessions} late"))
    };
    let lines = [
        format!("Down since {}, counted {}.", ago(outage.since), ago(notice.at)),
        format!("Nothing is lost. {} of these test sessions are late.", late(&outage.sinks)),
        "Each message is retried every 15 minutes at most. Once the service works, reconcile requests a sync of the \
         parked test sessions. No replay is needed."
            .to_owned(),
    ];
    let fields = vec![
        ("Waiting".to_owned(), count(outage.waiting), true),
        ("Parked".to_owned(), count(outage.parked), true),
        ("Last success".to_owned(), outage.worked_at.map_or_else(|| "unknown".to_owned(), ago), true),
        next_step(&[doctor_step(&outage.dependency)]),
        (
            format!("Newest error, {}", plain(&outage.error_code, CODE)),
            format!("{}\n{}", plain(&outage.error, ERROR), ago(outage.failed_at)),
            false,
        ),
    ];
    Card {
        severity,
        title,
        description: lines.join("\n"),
        fields,
        picture: None,
        notices: Vec::new(),
        senders: Senders::of([notice]),
    }
}

/// The card of an outage's end: no test session waits any more.
pub fn recovery_card(notice: &Notice, over: &OutageOver) -> Card {
    let lasted = over.until.duration_since(over.since);
    let lasted = lasting(Duration::try_from(lasted).unwrap_or_default());
    let synced = counted(over.synced, "test session");
    let lines = [
        format!("It was down from {} to {}.", ago(over.since), ago(over.until)),
        format!("{synced} waited and {} synced now. Nothing is left to do.", are(over.synced)),
    ];
    Card {
        severity: Severity::Success,
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

fn doctor_step(dependency: &str) -> String {
    let only = match dependency {
        "MongoDB" => " --only mongodb",
        "DynamoDB" => " --only dynamodb",
        "BigQuery" => " --only bigquery",
        "SQS" => " --only sqs",
        _ => "",
    };
    format!("`quiz-etl doctor{only}` shows the cause: docs/RUNBOOK.md, a-service-is-down")
}
