use std::path::PathBuf;

use async_trait::async_trait;
use aws_config::SdkConfig;
use quiz_bigquery::{BYTES_PER_JOB, BigQueryLocation, Credentials, CredentialsSource};
use quiz_events::Cause;

use crate::sync::SourceSettings;
use crate::{ConfigError, Environment, SecretSource};

/// The configuration of `sync-warehouse`.
#[derive(Debug)]
pub struct WarehouseConfig {
    pub source: SourceSettings,
    pub location: BigQueryLocation,
    pub credentials: BigQueryCredentials,
    /// The most bytes that BigQuery may bill for one job.
    pub bytes_per_job: u64,
}

/// The credentials for BigQuery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BigQueryCredentials {
    /// The secret holds JSON: a service account's key, or the credential configuration of an AWS role.
    Secret(SecretSource),
    ApplicationDefault {
        file: Option<PathBuf>,
    },
    /// No credentials, for an emulator.
    Anonymous,
}

/// The identity that calls BigQuery. A secret is read from Secrets Manager at first use, and again after Google has
/// refused it.
#[derive(Debug)]
pub struct BigQueryIdentity {
    pub credentials: BigQueryCredentials,
    pub aws: SdkConfig,
}

#[async_trait]
impl CredentialsSource for BigQueryIdentity {
    async fn credentials(&self) -> Result<Credentials, Cause> {
        Ok(match &self.credentials {
            BigQueryCredentials::Secret(secret) => {
                Credentials::Json(secret.resolve(&self.aws).await?.expose().to_owned())
            }
            BigQueryCredentials::ApplicationDefault { file } => {
                Credentials::ApplicationDefault { file: file.clone() }
            }
            BigQueryCredentials::Anonymous => Credentials::Anonymous,
        })
    }

    fn can_change(&self) -> bool {
        match &self.credentials {
            BigQueryCredentials::Secret(secret) => secret.can_change(),
            BigQueryCredentials::ApplicationDefault { .. } | BigQueryCredentials::Anonymous => false,
        }
    }

    fn aws(&self) -> Option<&SdkConfig> {
        Some(&self.aws)
    }
}

impl WarehouseConfig {
    /// Reads the configuration.
    ///
    /// # Errors
    /// [`ConfigError`] with all missing and wrong variables.
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
        // URL paths and SQL contain both names
        for (name, value, more) in
            [("BIGQUERY_PROJECT", &location.project, "-:."), ("BIGQUERY_DATASET", &location.dataset, "_")]
        {
            if !value.chars().all(|char| char.is_ascii_alphanumeric() || more.contains(char)) {
                env.problem(format!("{name} contains an invalid character"));
            }
        }
        let credentials = credentials(&env, location.endpoint.is_some());
        let wanted = "a number of bytes, such as 1099511627776";
        let bytes_per_job = env.parsed("BIGQUERY_BYTES_PER_JOB", BYTES_PER_JOB, wanted);
        env.finish(Self { source, location, credentials, bytes_per_job })
    }
}

fn credentials(env: &Environment, emulated: bool) -> BigQueryCredentials {
    match env.optional("BIGQUERY_CREDENTIALS_SECRET_ID") {
        Some(id) => BigQueryCredentials::Secret(SecretSource::ById(id)),
        None if emulated => BigQueryCredentials::Anonymous,
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
    fn error_lists_all_problems() {
        let error = WarehouseConfig::read(Environment::from_variables([("BIGQUERY_DATASET", "a`; drop")]))
            .unwrap_err();
        assert_eq!(
            error.problems,
            [
                "MONGODB_URI or MONGODB_URI_SECRET_ID must be set",
                "BIGQUERY_PROJECT must be set",
                "BIGQUERY_DATASET contains an invalid character",
            ]
        );
    }

    #[test]
    fn credentials_are_secret_default_or_none() {
        let project = ("BIGQUERY_PROJECT", "quiz-etl");
        let read = |env| WarehouseConfig::read(env).unwrap().credentials;
        assert_eq!(
            read(Environment::from_variables([URI, project, ("BIGQUERY_CREDENTIALS_SECRET_ID", "key")])),
            BigQueryCredentials::Secret(SecretSource::ById("key".into()))
        );
        let default = read(Environment::from_variables([URI, project]));
        assert_eq!(default, BigQueryCredentials::ApplicationDefault { file: None });
        let emulated =
            read(Environment::from_variables([URI, project, ("BIGQUERY_ENDPOINT", "http://localhost")]));
        assert_eq!(emulated, BigQueryCredentials::Anonymous);
    }

    #[test]
    fn dataset_is_in_mumbai_by_default() {
        let config =
            WarehouseConfig::read(Environment::from_variables([URI, ("BIGQUERY_PROJECT", "p")])).unwrap();
        assert_eq!((&*config.location.dataset, &*config.location.location), ("assessments", "asia-south1"));
        assert_eq!(config.bytes_per_job, 1 << 40);
    }
}
