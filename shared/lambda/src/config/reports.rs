use quiz_domain::reports::{ReportFormats, ReportTable};
use quiz_dynamo::TableNames;

use super::formats;
use crate::sync::SourceSettings;
use crate::{ConfigError, Environment};

/// The configuration of `sync-reports`.
#[derive(Debug)]
pub struct ReportsConfig {
    pub source: SourceSettings,
    pub formats: ReportFormats,
    pub tables: TableNames,
    /// The table of the snapshots of scored attempts.
    pub snapshots_table: String,
}

impl ReportsConfig {
    /// Reads the configuration.
    ///
    /// # Errors
    /// [`ConfigError`] with all missing and wrong variables.
    pub fn read(mut env: Environment) -> Result<Self, ConfigError> {
        let config = Self {
            source: SourceSettings::read(&mut env),
            formats: formats(&mut env),
            tables: table_names(&env),
            snapshots_table: snapshots_table(&env),
        };
        env.finish(config)
    }
}

/// The names of the report tables, from the environment or by default.
#[must_use]
pub fn table_names(env: &Environment) -> TableNames {
    let name = |variable, table: ReportTable| env.or(variable, table.default_name());
    TableNames {
        sections: name("REPORTS_TABLE", ReportTable::Sections),
        students: name("REPORTS_V2_TABLE", ReportTable::Students),
        form_responses: name("FORM_RESPONSES_TABLE", ReportTable::FormResponses),
    }
}

/// The name of the snapshot table, from the environment or by default.
#[must_use]
pub fn snapshots_table(env: &Environment) -> String {
    env.or("SNAPSHOTS_TABLE", "quiz_snapshots")
}

#[cfg(test)]
mod tests {
    use super::ReportsConfig;
    use crate::Environment;
    use quiz_domain::reports::ReportFormats;

    #[test]
    fn mongodb_uri_is_the_only_required_variable() {
        let config =
            ReportsConfig::read(Environment::from_variables([("MONGODB_URI", "mongodb://localhost")]))
                .unwrap();
        assert_eq!(config.source.mongodb_database, "quiz");
        assert_eq!(config.tables.sections, "student_quiz_reports");
        assert_eq!(config.snapshots_table, "quiz_snapshots");
        assert!(config.source.excluded_users.contains("test_admin"));
        assert_eq!(config.formats, ReportFormats { v1: true, v2: false });
    }

    #[test]
    fn error_lists_all_problems() {
        let error = ReportsConfig::read(Environment::from_variables([("REPORT_FORMATS", "v3")])).unwrap_err();
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
