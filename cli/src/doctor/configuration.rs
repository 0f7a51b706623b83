//! Reads the configuration of each function from the environment and checks it.

use quiz_domain::reports::ReportTable;
use quiz_lambda::config::DiscordSource;
use quiz_lambda::{ConfigError, Environment, SecretSource};

use crate::doctor::arn::Arn;
use crate::doctor::check::{Check, Finding, Group};
use crate::doctor::table_spec::TableSpec;
use crate::doctor::topics::Topic;

/// The usable part of the environment, and the checks that say what is wrong with the rest.
pub struct DoctorSettings {
    pub checks: Vec<Check>,
    /// `None` if it is not configured.
    pub mongodb_uri: Option<SecretSource>,
    pub mongodb_database: String,
    pub tables: Vec<TableSpec>,
    pub topics: Vec<Topic>,
    /// Whether a topic is missing or invalid.
    pub is_missing_topics: bool,
    pub warehouse: FunctionConfig<quiz_lambda::config::WarehouseConfig>,
    pub discord: FunctionConfig<quiz_lambda::config::DiscordConfig>,
}

/// The configuration of a function that is optional here.
pub enum FunctionConfig<T> {
    Valid(T),
    Absent,
    Invalid,
}

impl<T> FunctionConfig<T> {
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Valid(config) => Some(config),
            Self::Absent | Self::Invalid => None,
        }
    }

    /// Why there is no configuration; completes a sentence after "because".
    pub fn because(&self, function: &str) -> String {
        match self {
            Self::Invalid => format!("the configuration of {function} is not complete"),
            Self::Absent | Self::Valid(_) => format!("{function} is not configured here"),
        }
    }
}

const WAREHOUSE: [&str; 6] = [
    "BIGQUERY_PROJECT",
    "BIGQUERY_DATASET",
    "BIGQUERY_LOCATION",
    "BIGQUERY_CREDENTIALS_SECRET_ID",
    "BIGQUERY_ENDPOINT",
    "BIGQUERY_BYTES_PER_JOB",
];
const DISCORD: [&str; 3] = ["DISCORD_WEBHOOK_URL_SECRET_ID", "DISCORD_TOKEN_SECRET_ID", "DISCORD_CHANNEL_ID"];

impl DoctorSettings {
    pub fn from_process() -> Self {
        Self::read(&Environment::from_process)
    }

    /// `read` gives the same environment each time, since each reader consumes its own.
    fn read(read: &dyn Fn() -> Environment) -> Self {
        let mut checks = vec![Group::Configuration.check("sync-reports", reports(read()))];
        let (finding, warehouse) = function_config("sync-warehouse", &WAREHOUSE, read, |env| {
            let config = quiz_lambda::config::WarehouseConfig::read(env)?;
            let location = &config.location;
            let found =
                format!("rows into {}.{} ({})", location.project, location.dataset, location.location);
            Ok((found, config))
        });
        checks.push(Group::Configuration.check("sync-warehouse", finding));
        let (finding, discord) = function_config("notify-discord", &DISCORD, read, |env| {
            let config = quiz_lambda::config::DiscordConfig::read(env)?;
            let by = match &config.discord {
                DiscordSource::Webhook(_) => "a webhook",
                DiscordSource::Bot { .. } => "a bot",
            };
            Ok((format!("messages by {by}, recorded in {}", config.memory_table), config))
        });
        checks.push(Group::Configuration.check("notify-discord", finding));

        let mut env = read();
        let (findings, topics) = topics(&env, usize::from(!matches!(warehouse, FunctionConfig::Absent)) + 1);
        checks.extend(findings);
        let is_missing_topics = topics.len() < TOPICS.len();
        let mongodb_uri = match env.secret("MONGODB_URI") {
            SecretSource::Given(secret) if secret.expose().is_empty() => None,
            source => Some(source),
        };
        let mongodb_database = env.or("MONGODB_DATABASE", "quiz");
        let tables = tables(&mut env, discord.get().map(|config| config.memory_table.as_str()));
        Self { checks, mongodb_uri, mongodb_database, tables, topics, is_missing_topics, warehouse, discord }
    }
}

fn incomplete(function: &str, error: &ConfigError) -> Finding {
    let fix = format!("set the variables that functions/{function}/README.md lists");
    Finding::bad(error.problems.join("; "), fix)
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

/// Reads one function's configuration. With none of its `variables` set, the function is left out on purpose, perhaps.
fn function_config<T>(
    function: &str,
    variables: &[&str],
    read: &dyn Fn() -> Environment,
    config: impl FnOnce(Environment) -> Result<(String, T), ConfigError>,
) -> (Finding, FunctionConfig<T>) {
    let env = read();
    if let (Some(first), true) =
        (variables.first(), variables.iter().all(|variable| env.optional(variable).is_none()))
    {
        let found = format!("{function} is not configured here: {first} is not set");
        let fix = format!("to run it, set the variables that functions/{function}/README.md lists");
        return (Finding::warning(found, fix), FunctionConfig::Absent);
    }
    match config(env) {
        Ok((found, config)) => (Finding::good(found), FunctionConfig::Valid(config)),
        Err(error) => (incomplete(function, &error), FunctionConfig::Invalid),
    }
}

const TOPICS: [(&str, &str, &str); 2] = [
    ("events", "EVENTS_TOPIC_ARN", "sync and backfill cannot publish"),
    ("notices", "NOTICES_TOPIC_ARN", "notices are only logged"),
];

fn topics(env: &Environment, sinks: usize) -> (Vec<Check>, Vec<Topic>) {
    let mut checks = Vec::new();
    let mut topics = Vec::new();
    for (role, variable, consequence) in TOPICS {
        let finding = match env.optional(variable) {
            None => Finding::warning(
                format!("{variable} is not set, so {consequence}"),
                format!("set {variable} to the topic's ARN: aws sns list-topics"),
            ),
            Some(arn) if Arn::parse(&arn, "sns").is_none() => Finding::bad(
                format!("{variable} is not the ARN of a topic"),
                "set an ARN such as arn:aws:sns:ap-south-1:111122223333:quiz-events: aws sns list-topics",
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
            tables.push(TableSpec::for_reports(table, names.of(table)));
        }
    }
    tables.push(TableSpec::for_states(&env.or("SYNC_STATE_TABLE", "quiz_sync_state")));
    tables.push(TableSpec::for_snapshots(&quiz_lambda::config::snapshots_table(env)));
    tables.extend(notice_memory.map(TableSpec::for_notice_memory));
    tables
}

#[cfg(test)]
mod tests {
    use quiz_lambda::Environment;

    use super::{DoctorSettings, FunctionConfig};
    use crate::doctor::check::Status;

    const URI: (&str, &str) = ("MONGODB_URI", "mongodb://user:hunter2@localhost");

    fn found(settings: &DoctorSettings) -> Vec<(&str, Status)> {
        settings.checks.iter().map(|check| (&*check.name, check.finding.status)).collect()
    }

    #[test]
    fn empty_environment_lacks_only_the_source() {
        let settings = DoctorSettings::read(&|| Environment::from_variables([]));
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
        assert!(settings.mongodb_uri.is_none() && matches!(settings.warehouse, FunctionConfig::Absent));
        let names: Vec<&str> = settings.tables.iter().map(|table| &*table.name).collect();
        assert_eq!(
            names,
            ["student_quiz_reports", "form_question_responses", "quiz_sync_state", "quiz_snapshots"]
        );
    }

    #[test]
    fn all_problems_show_at_once_without_secrets() {
        let settings = DoctorSettings::read(&|| {
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
                "EVENTS_TOPIC_ARN is not the ARN of a topic",
                "NOTICES_TOPIC_ARN is not set, so notices are only logged",
            ]
        );
        assert!(!shown.concat().contains("hunter2"));
        assert!(matches!(settings.warehouse, FunctionConfig::Invalid) && settings.topics.is_empty());
    }

    #[test]
    fn two_sinks_need_two_event_queues() {
        let settings = DoctorSettings::read(&|| {
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
