use std::collections::HashSet;
use std::time::Duration;

use quiz_events::{Backoff, SessionClock};
use quiz_pipeline::Rules;

use crate::{Environment, SecretSource};

/// The longest delay of an SQS message, in seconds.
const LONGEST_INTERVAL: u64 = 900;
/// The longest visibility timeout of SQS, in seconds: 12 hours.
const LONGEST_WAIT: u64 = 43_200;

/// The settings that `sync-reports`, `sync-warehouse` and `reconcile` share.
#[derive(Debug)]
pub struct SourceSettings {
    pub mongodb_uri: SecretSource,
    pub mongodb_database: String,
    pub excluded_users: HashSet<String>,
    /// The topic of notices; without a topic, notices are only logged.
    pub notices_topic: Option<String>,
    /// The CloudWatch namespace of the metrics.
    pub metrics_namespace: String,
    /// The DynamoDB table of the sync states.
    pub state_table: String,
    /// The clock that senders of events use for the times of a session description.
    pub session_clock: SessionClock,
    pub rules: Rules,
    /// The delays of a message that is retried.
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

/// The clock that senders of events use for the times of a session description.
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

/// The variable in seconds, from `least` to `most`; `None` if it is not set.
fn seconds(env: &mut Environment, name: &str, least: u64, most: u64) -> Option<Duration> {
    let text = env.optional(name)?;
    let seconds = text.parse().ok().filter(|seconds| (least..=most).contains(seconds));
    if seconds.is_none() {
        env.problem(format!("{name} must be a whole number from {least} to {most}"));
    }
    seconds.map(Duration::from_secs)
}

/// Users that are left out of all reports, ranks and rows: administrators who try quizzes.
#[must_use]
pub fn excluded_users(env: &Environment) -> HashSet<String> {
    env.list("EXCLUDED_USER_IDS", "test_admin").into_iter().collect()
}
