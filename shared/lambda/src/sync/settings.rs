use std::collections::HashSet;
use std::time::Duration;

use quiz_events::{Backoff, SessionClock};
use quiz_pipeline::Rules;

use crate::{Environment, SecretSource};

/// SQS delays a message for no longer.
const LONGEST_INTERVAL: u64 = 900;
/// SQS hides a message for no longer: 12 hours.
const LONGEST_WAIT: u64 = 43_200;

/// Where the answers are, whose are left out, and who is told.
#[derive(Debug)]
pub struct SourceSettings {
    pub mongodb_uri: SecretSource,
    pub mongodb_database: String,
    pub excluded_users: HashSet<String>,
    /// The topic that notices go to; without it they are only logged.
    pub notices_topic: Option<String>,
    /// In which CloudWatch keeps what is measured.
    pub metrics_namespace: String,
    /// The table of the sync states.
    pub state_table: String,
    /// How the senders of events write the times of a description.
    pub session_clock: SessionClock,
    pub rules: Rules,
    /// How long a message waits that failed for now.
    pub backoff: Backoff,
}

impl SourceSettings {
    pub fn read(env: &mut Environment) -> Self {
        Self {
            mongodb_uri: env.secret("MONGODB_URI"),
            mongodb_database: env.or("MONGODB_DATABASE", "quiz"),
            excluded_users: excluded_users(env),
            notices_topic: env.optional("NOTICES_TOPIC_ARN"),
            metrics_namespace: env.or("METRICS_NAMESPACE", "QuizEtl"),
            state_table: env.or("SYNC_STATE_TABLE", "quiz_sync_state"),
            session_clock: session_clock(env),
            rules: rules(env),
            backoff: backoff(env),
        }
    }
}

/// How the senders of events write the times of a description.
pub fn session_clock(env: &mut Environment) -> SessionClock {
    env.parsed(SessionClock::VARIABLE, SessionClock::default(), "utc or india")
}

fn rules(env: &mut Environment) -> Rules {
    let rules = Rules::default();
    let interval = seconds(env, "SYNC_INTERVAL_SECONDS", 0, LONGEST_INTERVAL);
    Rules { interval: interval.unwrap_or(rules.interval), ..rules }
}

fn backoff(env: &mut Environment) -> Backoff {
    let usual = Backoff::default();
    match seconds(env, "RETRY_LONGEST_SECONDS", 1, LONGEST_WAIT) {
        Some(longest) => Backoff { first: usual.first.min(longest), longest },
        None => usual,
    }
}

/// `None` where the variable is not set.
fn seconds(env: &mut Environment, name: &str, least: u64, most: u64) -> Option<Duration> {
    let text = env.optional(name)?;
    let seconds = text.parse().ok().filter(|seconds| (least..=most).contains(seconds));
    if seconds.is_none() {
        env.problem(format!("{name} must be a whole number from {least} to {most}"));
    }
    seconds.map(Duration::from_secs)
}

/// Users (administrators who try tests) that are left out of every report, rank and row.
#[must_use]
pub fn excluded_users(env: &Environment) -> HashSet<String> {
    env.list("EXCLUDED_USER_IDS", "test_admin").into_iter().collect()
}
