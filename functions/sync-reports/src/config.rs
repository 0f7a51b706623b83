use std::collections::HashSet;

use quiz_domain::reports::{ReportFormats, ReportTable};
use quiz_dynamo::TableNames;
use quiz_runtime::{ConfigError, Environment, SecretSource};

/// What the function is told by its environment.
#[derive(Debug)]
pub struct Config {
    pub mongodb_uri: SecretSource,
    pub mongodb_database: String,
    pub reports: ReportSettings,
    pub tables: TableNames,
}

/// Whose reports are written, and in which formats: the same embedded and on AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportSettings {
    pub excluded_users: HashSet<String>,
    pub formats: ReportFormats,
}

impl Config {
    /// # Errors
    /// [`ConfigError`] with everything that is missing or wrong.
    pub fn read(mut env: Environment) -> Result<Self, ConfigError> {
        let config = Self {
            mongodb_uri: env.secret("MONGODB_URI"),
            mongodb_database: env.or("MONGODB_DATABASE", "quiz"),
            reports: ReportSettings::of(&mut env),
            tables: table_names(&env),
        };
        env.finish(config)
    }
}

impl ReportSettings {
    /// # Errors
    /// [`ConfigError`] where the formats are wrong.
    pub fn read(mut env: Environment) -> Result<Self, ConfigError> {
        let settings = Self::of(&mut env);
        env.finish(settings)
    }

    fn of(env: &mut Environment) -> Self {
        let mut formats = ReportFormats { v1: false, v2: false };
        for format in env.list("REPORT_FORMATS", "v1") {
            match format.as_str() {
                "v1" => formats.v1 = true,
                "v2" => formats.v2 = true,
                _ => env.problem("REPORT_FORMATS must be v1, v2 or v1,v2".to_owned()),
            }
        }
        if !formats.v1 && !formats.v2 {
            env.problem("REPORT_FORMATS names no format".to_owned());
        }
        Self { excluded_users: env.list("EXCLUDED_USER_IDS", "test_admin").into_iter().collect(), formats }
    }
}

/// The tables' names, each with its default.
#[must_use]
pub fn table_names(env: &Environment) -> TableNames {
    let name = |variable, table: ReportTable| env.or(variable, table.default_name());
    TableNames {
        sections: name("REPORTS_TABLE", ReportTable::Sections),
        students: name("REPORTS_V2_TABLE", ReportTable::Students),
        form_responses: name("FORM_RESPONSES_TABLE", ReportTable::FormResponses),
    }
}

#[cfg(test)]
mod tests {
    use super::Config;
    use quiz_domain::reports::ReportFormats;
    use quiz_runtime::Environment;

    #[test]
    fn only_the_mongodb_uri_must_be_given() {
        let config = Config::read(Environment::of([("MONGODB_URI", "mongodb://localhost")])).unwrap();
        assert_eq!(config.mongodb_database, "quiz");
        assert_eq!(config.tables.sections, "student_quiz_reports");
        assert!(config.reports.excluded_users.contains("test_admin"));
        assert_eq!(config.reports.formats, ReportFormats { v1: true, v2: false });
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let error = Config::read(Environment::of([("REPORT_FORMATS", "v3")])).unwrap_err();
        assert_eq!(
            error.problems,
            [
                "MONGODB_URI or MONGODB_URI_SECRET_ID must be set",
                "REPORT_FORMATS must be v1, v2 or v1,v2",
                "REPORT_FORMATS names no format",
            ]
        );
    }
}
