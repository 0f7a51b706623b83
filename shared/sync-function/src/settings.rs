use std::collections::HashSet;

use quiz_runtime::{Environment, SecretSource};

/// Where the answers are, whose are left out, and who is told.
#[derive(Debug)]
pub struct SourceSettings {
    pub mongodb_uri: SecretSource,
    pub mongodb_database: String,
    pub excluded_users: HashSet<String>,
    /// The topic that notices go to; without it they are only logged.
    pub notices_topic: Option<String>,
}

impl SourceSettings {
    pub fn read(env: &mut Environment) -> Self {
        Self {
            mongodb_uri: env.secret("MONGODB_URI"),
            mongodb_database: env.or("MONGODB_DATABASE", "quiz"),
            excluded_users: excluded_users(env),
            notices_topic: env.optional("NOTICES_TOPIC_ARN"),
        }
    }
}

/// Users (administrators who try tests) that are left out of every report, rank and row.
#[must_use]
pub fn excluded_users(env: &Environment) -> HashSet<String> {
    env.list("EXCLUDED_USER_IDS", "test_admin").into_iter().collect()
}
