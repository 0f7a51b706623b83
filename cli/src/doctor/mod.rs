//! Every dependency tried for real with the least harmful call, and what to mend.
//!
//! The calls are apart from what is made of their answers: each module asks, and judges what it was told by
//! functions that ask nothing.

mod arn;
mod aws;
mod bigquery;
mod check;
mod configuration;
mod discord;
mod examine;
mod mappings;
mod mongodb;
mod patience;
mod policy;
mod queue_judge;
mod queues;
mod report;
mod secrets;
mod table_spec;
mod tables;
mod topics;

use std::time::Duration;

use clap::Args;

use crate::ui::{Done, Terminal};

pub use check::{Group, Status};

use crate::doctor::configuration::Settings;
use crate::doctor::patience::Patience;

const EXAMPLES: &str = "\
Examples:
  quiz-etl doctor
  quiz-etl doctor --only mongodb --only bigquery
  quiz-etl doctor --json | jq '.checks[] | select(.status == \"bad\")'

Rights that it asks with (what one may not ask about is a warning that names the right):
  dynamodb:DescribeTable, DescribeContinuousBackups, DescribeTimeToLive, GetItem
  sns:GetTopicAttributes, ListSubscriptionsByTopic, GetSubscriptionAttributes
  sqs:GetQueueUrl, GetQueueAttributes
  lambda:ListEventSourceMappings
  secretsmanager:GetSecretValue";

/// Try every dependency for real, and say what to mend.
///
/// Reads the environment that the functions read (their READMEs list it) and asks each service what it has. It
/// changes, publishes and posts nothing, and shows no secret. The exit code is 0 where nothing is bad, else 1.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// Only this group of checks; can be given several times. What they depend on is tried too, and shown
    /// where it is bad.
    #[arg(long, value_enum, value_name = "GROUP")]
    pub only: Vec<Group>,
    /// How long each call may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub timeout: u64,
}

/// Tries all that was asked for, at once, and prints what was found.
///
/// # Errors
/// None: what fails is a finding.
pub async fn run(args: &DoctorArgs, terminal: Terminal) -> anyhow::Result<Done> {
    if terminal.progress {
        terminal.step(&format!("trying every dependency, each call for up to {} s …", args.timeout));
    }
    let wanted = if args.only.is_empty() { Group::ALL.to_vec() } else { args.only.clone() };
    let patience = Patience(Duration::from_secs(args.timeout));
    let checks = Box::pin(examine::examine(Settings::from_process(), &wanted, patience)).await;
    if terminal.json {
        terminal.print_json(&report::json(&checks));
    } else {
        terminal.print(&report::text(&checks, terminal.ink()));
    }
    let is_bad = checks.iter().any(|check| check.finding.status == Status::Bad);
    Ok(if is_bad { Done::WithFailures } else { Done::Well })
}
