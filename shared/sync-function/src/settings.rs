use std::collections::HashSet;
use std::time::Duration;

use quiz_pipeline::Rules;
use quiz_runtime::{Environment, SecretSource};

/// SQS delays a message for no longer.
const LONGEST_INTERVAL: u64 = 900;

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
    pub rules: Rules,
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
            rules: rules(env),
        }
    }
}

fn rules(env: &mut Environment) -> Rules {
    let rules = Rules::default();
    let Some(text) = env.optional("SYNC_INTERVAL_SECONDS") else { return rules };
    if let Some(seconds) = text.parse().ok().filter(|seconds| *seconds <= LONGEST_INTERVAL) {
        return Rules { interval: Duration::from_secs(seconds), ..rules };
    }
    env.problem(format!("SYNC_INTERVAL_SECONDS must be a whole number from 0 to {LONGEST_INTERVAL}"));
    rules
}

/// Users (administrators who try tests) that are left out of every report, rank and row.
#[must_use]
pub fn excluded_users(env: &Environment) -> HashSet<String> {
    env.list("EXCLUDED_USER_IDS", "test_admin").into_iter().collect()
}
