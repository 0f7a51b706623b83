use std::path::PathBuf;

use quiz_bigquery::BigQueryLocation;

use crate::sync::SourceSettings;
use crate::{ConfigError, Environment, SecretSource};

/// What the function is told by its environment.
#[derive(Debug)]
pub struct WarehouseConfig {
    pub source: SourceSettings,
    pub location: BigQueryLocation,
    pub credentials: BigQueryCredentials,
}

/// Who asks BigQuery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BigQueryCredentials {
    /// The secret holds the JSON text of a service account's key.
    Secret(SecretSource),
    ApplicationDefault {
        file: Option<PathBuf>,
    },
    /// An emulator asks for none.
    Nobody,
}

impl WarehouseConfig {
    /// # Errors
    /// [`ConfigError`] with everything that is missing or wrong.
    pub fn read(mut env: Environment) -> Result<Self, ConfigError> {
        let source = SourceSettings::read(&mut env);
        let project = env.optional("BIGQUERY_PROJECT").unwrap_or_else(|| {
            env.problem("BIGQUERY_PROJECT must be set".to_owned());
            String::new()
        });
        let location = BigQueryLocation {
            project,
            dataset: env.or("BIGQUERY_DATASET", "assessments"),
            location: env.or("BIGQUERY_LOCATION", "asia-south1"),
            endpoint: env.optional("BIGQUERY_ENDPOINT"),
        };
        // they stand in paths and in SQL
        for (name, value, more) in
            [("BIGQUERY_PROJECT", &location.project, "-:."), ("BIGQUERY_DATASET", &location.dataset, "_")]
        {
            if !value.chars().all(|it| it.is_ascii_alphanumeric() || more.contains(it)) {
                env.problem(format!("{name} holds a character that no such name has"));
            }
        }
        let credentials = credentials(&env, location.endpoint.is_some());
        env.finish(Self { source, location, credentials })
    }
}

fn credentials(env: &Environment, emulated: bool) -> BigQueryCredentials {
    match env.optional("BIGQUERY_CREDENTIALS_SECRET_ID") {
        Some(id) => BigQueryCredentials::Secret(SecretSource::ById(id)),
        None if emulated => BigQueryCredentials::Nobody,
        None => BigQueryCredentials::ApplicationDefault {
            file: env.optional("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{BigQueryCredentials, WarehouseConfig};
    use crate::{Environment, SecretSource};

    const URI: (&str, &str) = ("MONGODB_URI", "mongodb://localhost");

    #[test]
    fn everything_wrong_is_said_at_once() {
        let error = WarehouseConfig::read(Environment::from_variables([("BIGQUERY_DATASET", "a`; drop")]))
            .unwrap_err();
        assert_eq!(
            error.problems,
            [
                "MONGODB_URI or MONGODB_URI_SECRET_ID must be set",
                "BIGQUERY_PROJECT must be set",
                "BIGQUERY_DATASET holds a character that no such name has",
            ]
        );
    }

    #[test]
    fn credentials_are_the_secret_s_else_google_s_own_and_none_for_an_emulator() {
        let project = ("BIGQUERY_PROJECT", "quiz-etl");
        let of = |env| WarehouseConfig::read(env).unwrap().credentials;
        assert_eq!(
            of(Environment::from_variables([URI, project, ("BIGQUERY_CREDENTIALS_SECRET_ID", "key")])),
            BigQueryCredentials::Secret(SecretSource::ById("key".into()))
        );
        let default = of(Environment::from_variables([URI, project]));
        assert_eq!(default, BigQueryCredentials::ApplicationDefault { file: None });
        let emulated =
            of(Environment::from_variables([URI, project, ("BIGQUERY_ENDPOINT", "http://localhost")]));
        assert_eq!(emulated, BigQueryCredentials::Nobody);
    }

    #[test]
    fn the_dataset_is_in_mumbai_unless_said_otherwise() {
        let config =
            WarehouseConfig::read(Environment::from_variables([URI, ("BIGQUERY_PROJECT", "p")])).unwrap();
        assert_eq!((&*config.location.dataset, &*config.location.location), ("assessments", "asia-south1"));
    }
}
