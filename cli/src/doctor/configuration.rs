use quiz_domain::reports::ReportTable;
use quiz_lambda::config::DiscordSource;
use quiz_lambda::{ConfigError, Environment, SecretSource};

use crate::doctor::arn::Arn;
use crate::doctor::check::{Check, Finding, Group};
use crate::doctor::table_spec::TableSpec;
use crate::doctor::topics::Topic;

/// What the environment says, as far as it can be used, and what is wrong with it.
pub struct Settings {
    pub checks: Vec<Check>,
    /// `None` where it is not configured.
    pub mongodb_uri: Option<SecretSource>,
    pub mongodb_database: String,
    pub tables: Vec<TableSpec>,
    pub topics: Vec<Topic>,
    /// Why the topics are not all there.
    pub lacks_topics: bool,
    pub warehouse: Part<quiz_lambda::config::WarehouseConfig>,
    pub discord: Part<quiz_lambda::config::DiscordConfig>,
}

/// What belongs to a function that may not be configured here.
pub enum Part<T> {
    Here(T),
    Absent,
    Wrong,
}

impl<T> Part<T> {
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Here(part) => Some(part),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// Why it is not there, as it goes on after "because".
    pub fn because(&self, function: &str) -> String {
        match self {
            Self::Wrong => format!("the configuration of {function} is not complete"),
            Self::Absent | Self::Here(_) => format!("{function} is not configured here"),
        }
    }
}

const WAREHOUSE: [&str; 5] = [
    "BIGQUERY_PROJECT",
    "BIGQUERY_DATASET",
    "BIGQUERY_LOCATION",
    "BIGQUERY_CREDENTIALS_SECRET_ID",
    "BIGQUERY_ENDPOINT",
];
const DISCORD: [&str; 3] = ["DISCORD_WEBHOOK_URL_SECRET_ID", "DISCORD_TOKEN_SECRET_ID", "DISCORD_CHANNEL_ID"];

impl Settings {
    pub fn from_process() -> Self {
        Self::of(&Environment::from_process)
    }

    /// `read` reads the same environment each time: what reads it uses it up.
    fn of(read: &dyn Fn() -> Environment) -> Self {
        let mut checks = vec![Group::Configuration.check("sync-reports", reports(read()))];
        let (finding, warehouse) = part("sync-warehouse", &WAREHOUSE, read, |env| {
            let config = quiz_lambda::config::WarehouseConfig::read(env)?;
            let place = &config.location;
            let found = format!("rows into {}.{} ({})", place.project, place.dataset, place.location);
            Ok((found, config))
        });
        checks.push(Group::Configuration.check("sync-warehouse", finding));
        let (finding, discord) = part("notify-discord", &DISCORD, read, |env| {
            let config = quiz_lambda::config::DiscordConfig::read(env)?;
            let by = match &config.discord {
                DiscordSource::Webhook(_) => "a webhook",
                DiscordSource::Bot { .. } => "a bot",
            };
            Ok((format!("messages by {by}, remembered in {}", config.memory_table), config))
        });
        checks.push(Group::Configuration.check("notify-discord", finding));

        let mut env = read();
        let (findings, topics) = topics(&env, usize::from(!matches!(warehouse, Part::Absent)) + 1);
        checks.extend(findings);
        let lacks_topics = topics.len() < TOPICS.len();
        let mongodb_uri = match env.secret("MONGODB_URI") {
            SecretSource::Given(secret) if secret.expose().is_empty() => None,
            source => Some(source),
        };
        let mongodb_database = env.or("MONGODB_DATABASE", "quiz");
        let tables = tables(&mut env, discord.get().map(|it| it.memory_table.as_str()));
        Self { checks, mongodb_uri, mongodb_database, tables, topics, lacks_topics, warehouse, discord }
    }
}

fn incomplete(function: &str, error: &ConfigError) -> Finding {
    let mend = format!("set them in the environment, as functions/{function}/README.md lists them");
    Finding::bad(error.problems.join("; "), mend)
}

fn reports(env: Environment) -> Finding {
    match quiz_lambda::config::ReportsConfig::read(env) {
        Ok(config) => {
            let formats = match (config.formats.v1, config.formats.v2) {
                (true, true) => "v1 and v2",
                (false, true) => "v2",
                _ => "v1",
            };
            let database = config.source.mongodb_database;
            Finding::good(format!("reports in {formats} from the database {database}"))
        }
        Err(error) => incomplete("sync-reports", &error),
    }
}

/// A function that none of its own variables configure is left out, which may be meant.
fn part<T>(
    function: &str,
    variables: &[&str],
    read: &dyn Fn() -> Environment,
    config: impl FnOnce(Environment) -> Result<(String, T), ConfigError>,
) -> (Finding, Part<T>) {
    let env = read();
    if let (Some(first), true) =
        (variables.first(), variables.iter().all(|variable| env.optional(variable).is_none()))
    {
        let found = format!("{function} is not configured here: {first} is not set");
        let mend = format!("if it should be, set what functions/{function}/README.md lists");
        return (Finding::warning(found, mend), Part::Absent);
    }
    match config(env) {
        Ok((found, config)) => (Finding::good(found), Part::Here(config)),
        Err(error) => (incomplete(function, &error), Part::Wrong),
    }
}

const TOPICS: [(&str, &str, &str); 2] = [
    ("events", "EVENTS_TOPIC_ARN", "sync and backfill have nowhere to publish"),
    ("notices", "NOTICES_TOPIC_ARN", "notices are only logged"),
];

fn topics(env: &Environment, sinks: usize) -> (Vec<Check>, Vec<Topic>) {
    let mut checks = Vec::new();
    let mut topics = Vec::new();
    for (role, variable, without) in TOPICS {
        let finding = match env.optional(variable) {
            None => Finding::warning(
                format!("{variable} is not set, so {without}"),
                format!("set {variable} to the topic's ARN: aws sns list-topics"),
            ),
            Some(arn) if Arn::parse(&arn, "sns").is_none() => Finding::bad(
                format!("{variable} is no ARN of a topic"),
                "set it to one such as arn:aws:sns:ap-south-1:111122223333:quiz-events: aws sns list-topics",
            ),
            Some(arn) => {
                let queues = if role == "events" { sinks } else { 1 };
                let found = Finding::good(arn.clone());
                topics.push(Topic { role, variable, arn, queues });
                found
            }
        };
        checks.push(Group::Configuration.check(format!("{role} topic"), finding));
    }
    (checks, topics)
}

fn tables(env: &mut Environment, notice_memory: Option<&str>) -> Vec<TableSpec> {
    let (names, formats) = (quiz_lambda::config::table_names(env), quiz_lambda::config::formats(env));
    let mut tables = Vec::new();
    for table in ReportTable::ALL {
        if table != ReportTable::Students || formats.v2 {
            tables.push(TableSpec::of_reports(table, names.of(table)));
        }
    }
    tables.push(TableSpec::of_states(&env.or("SYNC_STATE_TABLE", "quiz_sync_state")));
    tables.push(TableSpec::of_snapshots(&quiz_lambda::config::snapshots_table(env)));
    tables.extend(notice_memory.map(TableSpec::of_notice_memory));
    tables
}

#[cfg(test)]
mod tests {
    use quiz_lambda::Environment;

    use super::{Part, Settings};
    use crate::doctor::check::Status;

    const URI: (&str, &str) = ("MONGODB_URI", "mongodb://user:hunter2@localhost");

    fn found(settings: &Settings) -> Vec<(&str, Status)> {
        settings.checks.iter().map(|check| (&*check.name, check.finding.status)).collect()
    }

    #[test]
    fn an_empty_environment_lacks_the_source_and_leaves_the_rest_out() {
        let settings = Settings::of(&|| Environment::from_variables([]));
        let (bad, warning) = (Status::Bad, Status::Warning);
        assert_eq!(
            found(&settings),
            [
                ("sync-reports", bad),
                ("sync-warehouse", warning),
                ("notify-discord", warning),
                ("events topic", warning),
                ("notices topic", warning),
            ]
        );
        assert!(settings.mongodb_uri.is_none() && matches!(settings.warehouse, Part::Absent));
        let names: Vec<&str> = settings.tables.iter().map(|table| &*table.name).collect();
        assert_eq!(
            names,
            ["student_quiz_reports", "form_question_responses", "quiz_sync_state", "quiz_snapshots"]
        );
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_and_no_secret() {
        let settings = Settings::of(&|| {
            Environment::from_variables([
                URI,
                ("MONGODB_URI_SECRET_ID", "uri"),
                ("REPORT_FORMATS", "v3"),
                ("BIGQUERY_DATASET", "d"),
                ("DISCORD_TOKEN_SECRET_ID", "t"),
                ("EVENTS_TOPIC_ARN", "quiz-events"),
            ])
        });
        let shown: Vec<&str> = settings.checks.iter().map(|check| &*check.finding.found).collect();
        assert_eq!(
            shown,
            [
                "MONGODB_URI and MONGODB_URI_SECRET_ID are both set: set one of them; \
                 REPORT_FORMATS must be v1, v2 or v1,v2; REPORT_FORMATS names no format",
                "MONGODB_URI and MONGODB_URI_SECRET_ID are both set: set one of them; BIGQUERY_PROJECT must be set",
                "DISCORD_CHANNEL_ID must be set with DISCORD_TOKEN_SECRET_ID",
                "EVENTS_TOPIC_ARN is no ARN of a topic",
                "NOTICES_TOPIC_ARN is not set, so notices are only logged",
            ]
        );
        assert!(!shown.concat().contains("hunter2"));
        assert!(matches!(settings.warehouse, Part::Wrong) && settings.topics.is_empty());
    }

    #[test]
    fn with_two_sinks_two_queues_are_to_hear_the_events() {
        let settings = Settings::of(&|| {
            Environment::from_variables([
                URI,
                ("REPORT_FORMATS", "v1,v2"),
                ("BIGQUERY_PROJECT", "p"),
                ("DISCORD_WEBHOOK_URL_SECRET_ID", "w"),
                ("EVENTS_TOPIC_ARN", "arn:aws:sns:r:1:events"),
                ("NOTICES_TOPIC_ARN", "arn:aws:sns:r:1:notices"),
            ])
        });
        assert!(settings.checks.iter().all(|check| check.finding.status == Status::Good));
        let queues: Vec<usize> = settings.topics.iter().map(|topic| topic.queues).collect();
        assert_eq!((queues, settings.tables.len()), (vec![2, 1], 6));
    }
}
