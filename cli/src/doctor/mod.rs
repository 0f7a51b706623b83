//! `quiz-etl doctor` calls every dependency and says what to fix.
//!
//! The problem: a missing index, a wrong key or a refused permission shows up as a failed sync, hours later.
//! Doctor makes the calls that the functions make, or the nearest call that only reads. It changes nothing.
//!
//! Each module separates calls from judgement: `check` calls the service, and `judge_…` functions turn its answer into
//! a [`check::Finding`] without any call, so tests need no service.

mod arn;
mod aws;
mod bigquery;
mod call_timeout;
mod check;
mod configuration;
mod discord;
mod examine;
mod judge_queue;
mod mappings;
mod mongodb;

mod policy;
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

use crate::doctor::call_timeout::CallTimeout;
use crate::doctor::configuration::DoctorSettings;

const EXAMPLES: &str = "\
Examples:
  quiz-etl doctor
  quiz-etl doctor --only mongodb --only bigquery
  quiz-etl doctor --json | jq '.checks[] | select(.status == \"bad\")'

Permissions that doctor uses (a missing one is a warning that names it):
  dynamodb:DescribeTable, DescribeContinuousBackups, DescribeTimeToLive, GetItem
  sns:GetTopicAttributes, ListSubscriptionsByTopic, GetSubscriptionAttributes
  sqs:GetQueueUrl, GetQueueAttributes
  lambda:ListEventSourceMappings
  secretsmanager:GetSecretValue";

/// Test every dependency and say what to fix.
///
/// Reads the environment variables of the functions (their READMEs list them) and calls each service.
/// Changes, publishes and posts nothing, and shows no secret.
/// Exits with 0 if nothing is bad, else with 1.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// Run only this group of checks; repeatable. Dependencies of the group are tested too, and shown if bad.
    #[arg(long, value_enum, value_name = "GROUP")]
    pub only: Vec<Group>,
    /// Fail a call that takes longer.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub timeout: u64,
}

/// Runs the chosen checks at the same time and prints their findings.
///
/// # Errors
/// None: a failure is a finding.
pub async fn run(args: &DoctorArgs, terminal: Terminal) -> anyhow::Result<Done> {
    if terminal.progress {
        terminal.step(&format!("testing every dependency, each call for up to {} s …", args.timeout));
    }
    let wanted = if args.only.is_empty() { Group::ALL.to_vec() } else { args.only.clone() };
    let timeout = CallTimeout(Duration::from_secs(args.timeout));
    let checks = Box::pin(examine::examine(DoctorSettings::from_process(), &wanted, timeout)).await;
    if terminal.json {
        terminal.print_json(&report::json(&checks));
    } else {
        terminal.print(&report::text(&checks, terminal.ink()));
    }
    let is_bad = checks.iter().any(|check| check.finding.status == Status::Bad);
    Ok(if is_bad { Done::WithFailures } else { Done::Well })
}
