use std::time::Duration;

use quiz_events::Sink;

use crate::sync::SourceSettings;
use crate::{ConfigError, Environment};

/// The largest limit of requests in a pass. The next pass requests the rest.
const MOST_SESSIONS: usize = 1_000;
/// A day.
const LONGEST_SECONDS: u64 = 86_400;

/// The configuration of `reconcile`.
#[derive(Debug)]
pub struct ReconcileConfig {
    pub source: SourceSettings,
    pub events_topic: String,
    pub limits: PassLimits,
}

/// The limits and waits of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassLimits {
    /// The most test sessions that one pass requests.
    pub sessions: usize,
    /// Answers younger than this do not make a test session stale: students may still be answering.
    pub settle: Duration,
    /// How long the queue's own retries get after a request: three times this after parking, six times after a failure.
    pub grace: Duration,
    /// The deployed sinks.
    pub sinks: Vec<Sink>,
}

impl Default for PassLimits {
    fn default() -> Self {
        Self {
            sessions: 200,
            settle: Duration::from_mins(10),
            grace: Duration::from_mins(10),
            sinks: Sink::ALL.to_vec(),
        }
    }
}

impl ReconcileConfig {
    /// Reads the configuration.
    ///
    /// # Errors
    /// [`ConfigError`] with all missing and wrong variables.
    pub fn read(mut env: Environment) -> Result<Self, ConfigError> {
        let source = SourceSettings::read(&mut env);
        let events_topic = env.optional("EVENTS_TOPIC_ARN").unwrap_or_default();
        if events_topic.is_empty() {
            env.problem("EVENTS_TOPIC_ARN must be set".to_owned());
        }
        let limits = limits(&mut env);
        env.finish(Self { source, events_topic, limits })
    }
}

fn limits(env: &mut Environment) -> PassLimits {
    let usual = PassLimits::default();
    let wanted = format!("a whole number from 1 to {MOST_SESSIONS}");
    let sessions = env.parsed("RECONCILE_LIMIT", usual.sessions, &wanted);
    if !(1..=MOST_SESSIONS).contains(&sessions) {
        env.problem(format!("RECONCILE_LIMIT must be {wanted}"));
    }
    let settle = seconds(env, "RECONCILE_SETTLE_SECONDS", usual.settle);
    let grace = seconds(env, "RECONCILE_GRACE_SECONDS", usual.grace);
    let sinks = sinks(env);
    PassLimits { sessions, settle, grace, sinks }
}

fn sinks(env: &mut Environment) -> Vec<Sink> {
    let names = env.list("RECONCILE_SINKS", &Sink::ALL.map(Sink::as_str).join(","));
    let mut sinks: Vec<Sink> = names.iter().filter_map(|name| name.parse().ok()).collect();
    if sinks.is_empty() || sinks.len() < names.len() {
        env.problem("RECONCILE_SINKS must be reports, warehouse or reports,warehouse".to_owned());
    }
    sinks.sort();
    sinks.dedup();
    sinks
}

fn seconds(env: &mut Environment, name: &str, default: Duration) -> Duration {
    let wanted = format!("a whole number from 0 to {LONGEST_SECONDS}");
    let seconds = env.parsed(name, default.as_secs(), &wanted);
    if seconds > LONGEST_SECONDS {
        env.problem(format!("{name} must be {wanted}"));
    }
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use quiz_events::Sink;

    use crate::Environment;

    use super::{PassLimits, ReconcileConfig};

    const URI: (&str, &str) = ("MONGODB_URI", "mongodb://localhost");
    const TOPIC: (&str, &str) = ("EVENTS_TOPIC_ARN", "arn:aws:sns:ap-south-1:1:quiz-events");

    #[test]
    fn mongodb_and_topic_are_the_only_required_variables() {
        let config = ReconcileConfig::read(Environment::from_variables([URI, TOPIC])).unwrap();
        assert_eq!(config.limits, PassLimits::default());
        assert_eq!(config.source.state_table, "quiz_sync_state");
        let given = Environment::from_variables([
            URI,
            TOPIC,
            ("RECONCILE_LIMIT", "5"),
            ("RECONCILE_SETTLE_SECONDS", "0"),
            ("RECONCILE_GRACE_SECONDS", "60"),
            ("RECONCILE_SINKS", "reports"),
        ]);
        let limits = ReconcileConfig::read(given).unwrap().limits;
        assert_eq!((limits.sessions, limits.settle.as_secs(), limits.grace.as_secs()), (5, 0, 60));
        assert_eq!(limits.sinks, [Sink::Reports]);
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let wrong = Environment::from_variables([
            ("RECONCILE_LIMIT", "0"),
            ("RECONCILE_SETTLE_SECONDS", "soon"),
            ("RECONCILE_GRACE_SECONDS", "86401"),
            ("RECONCILE_SINKS", "reports,discord"),
        ]);
        assert_eq!(
            ReconcileConfig::read(wrong).unwrap_err().problems,
            [
                "MONGODB_URI or MONGODB_URI_SECRET_ID must be set",
                "EVENTS_TOPIC_ARN must be set",
                "RECONCILE_LIMIT must be a whole number from 1 to 1000",
                "RECONCILE_SETTLE_SECONDS must be a whole number from 0 to 86400",
                "RECONCILE_GRACE_SECONDS must be a whole number from 0 to 86400",
                "RECONCILE_SINKS must be reports, warehouse or reports,warehouse",
            ]
        );
    }
}
