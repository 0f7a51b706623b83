//! Outages on a simulated clock: each dependency is down for 10 minutes to 3 days while students complete tests, and the
//! real handlers, the real backoff, reconcile and notices do what they do. At the end both sinks hold exactly what a
//! quiet run gives, nothing was posted twice, and the table says what happened.
//!
//! `cargo test -p reconcile --test it outage:: -- --nocapture` prints the table; docs/decisions/0014-outages.md has it.

mod discord;
mod gates;
mod pipeline;
mod story;

use std::time::Duration;

use gates::Service;
use story::{Outage, Outcome};

const LENGTHS: [(&str, Duration); 4] = [
    ("10 minutes", Duration::from_mins(10)),
    ("2 hours", Duration::from_hours(2)),
    ("20 hours", Duration::from_hours(20)),
    ("3 days", Duration::from_hours(72)),
];

/// The longest wait of a message, and up to two minutes for polls, the interval between syncs, and notices.
const HEALED_BY_MESSAGES: Duration = Duration::from_mins(17);
/// Answers are left alone for 10 minutes, then the next pass of reconcile finds them.
const HEALED_BY_RECONCILE: Duration = Duration::from_mins(27);

fn outages_of(name: &str, down: &'static [Service], longest: Duration) {
    for (length, lasts) in LENGTHS {
        let Outcome { late, parked, waiting, healed_after, posted, edited } =
            story::tell(Outage { down, lasts });
        let minutes = healed_after.as_secs().div_ceil(60);
        println!("| {name} | {length} | {late} | {parked} | {waiting} | {minutes} | {posted} | {edited} |");
        assert_eq!(parked, 0, "{name}, {length}");
        assert!(healed_after <= longest, "{name}, {length}: {minutes} minutes");
    }
}

#[test]
fn mongodb_is_down() {
    outages_of("MongoDB", &[Service::MongoDb], HEALED_BY_MESSAGES);
}

#[test]
fn dynamodb_is_down() {
    outages_of("DynamoDB", &[Service::DynamoDb], HEALED_BY_MESSAGES);
}

#[test]
fn bigquery_is_down() {
    outages_of("BigQuery", &[Service::BigQuery], HEALED_BY_MESSAGES);
}

#[test]
fn sns_is_down() {
    outages_of("SNS", &[Service::Sns], HEALED_BY_RECONCILE);
}

#[test]
fn discord_is_down() {
    outages_of("Discord", &[Service::Discord], HEALED_BY_MESSAGES);
}

/// Every instance of every function is new and has no secret yet.
#[test]
fn secrets_manager_is_down() {
    let down = &[Service::MongoDb, Service::BigQuery, Service::Discord];
    outages_of("Secrets Manager", down, HEALED_BY_MESSAGES);
}
