//! Outages on a simulated clock: each dependency is down for 10 minutes to 3 days while students complete quizzes. The
//! handlers, the backoff, reconcile and the notices are real. At the end both sinks have exactly the contents of a run
//! without an outage, and no notice was posted twice.
//!
//! `cargo test -p reconcile --test it outage:: -- --nocapture` prints the table; docs/decisions/0014-outages.md sums it up.

mod discord;
mod pipeline;
mod services;
mod story;

use std::time::Duration;

use services::Service;
use story::{Outage, Outcome};

const LENGTHS: [(&str, Duration); 4] = [
    ("10 minutes", Duration::from_mins(10)),
    ("2 hours", Duration::from_hours(2)),
    ("20 hours", Duration::from_hours(20)),
    ("3 days", Duration::from_hours(72)),
];

/// The longest wait of a message, and up to two minutes for polls, the interval between syncs, and notices.
const HEALED_BY_MESSAGES: Duration = Duration::from_mins(17);
/// Answers settle for 10 minutes, then the next pass of reconcile finds them.
const HEALED_BY_RECONCILE: Duration = Duration::from_mins(27);

fn check_outages(name: &str, down: &'static [Service], longest: Duration) {
    for (length, lasts) in LENGTHS {
        let Outcome { late, parked, waiting, healed_after, posted, edited } =
            story::run(Outage { down, lasts });
        let minutes = healed_after.as_secs().div_ceil(60);
        println!("| {name} | {length} | {late} | {parked} | {waiting} | {minutes} | {posted} | {edited} |");
        assert_eq!(parked, 0, "{name}, {length}");
        assert!(healed_after <= longest, "{name}, {length}: {minutes} minutes");
    }
}

#[test]
fn mongodb_is_down() {
    check_outages("MongoDB", &[Service::MongoDb], HEALED_BY_MESSAGES);
}

#[test]
fn dynamodb_is_down() {
    check_outages("DynamoDB", &[Service::DynamoDb], HEALED_BY_MESSAGES);
}

#[test]
fn bigquery_is_down() {
    check_outages("BigQuery", &[Service::BigQuery], HEALED_BY_MESSAGES);
}

#[test]
fn sns_is_down() {
    check_outages("SNS", &[Service::Sns], HEALED_BY_RECONCILE);
}

#[test]
fn discord_is_down() {
    check_outages("Discord", &[Service::Discord], HEALED_BY_MESSAGES);
}

/// Each instance of each function is new and has not read its secret.
#[test]
fn secrets_manager_is_down() {
    let down = &[Service::MongoDb, Service::BigQuery, Service::Discord];
    check_outages("Secrets Manager", down, HEALED_BY_MESSAGES);
}
