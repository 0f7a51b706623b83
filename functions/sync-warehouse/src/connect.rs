use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use quiz_bigquery::{BigQueryWarehouse, Credentials, CredentialsSource, Settings};
use quiz_events::Cause;
use quiz_lambda::sqs::SqsHandler;
use quiz_pipeline::WarehouseSink;
use quiz_pipeline::batch::BatchLimits;

use quiz_lambda::config::{BigQueryCredentials, WarehouseConfig};

/// A load and a transaction take seconds, and longer where others write too.
const COMMIT_RESERVE: Duration = Duration::from_mins(2);

/// The handler on MongoDB, BigQuery and SQS.
pub async fn connect(config: WarehouseConfig) -> SqsHandler {
    let aws = quiz_lambda::aws::config().await;
    let credentials = FromAws { credentials: config.credentials, aws: aws.clone() };
    let warehouse = BigQueryWarehouse::new(Settings::new(config.location), Arc::new(credentials));
    quiz_lambda::begin("the way to BigQuery", warehouse.clone().ready());
    let sink = Arc::new(WarehouseSink::new(Arc::new(warehouse)));
    let limits = BatchLimits { commit_reserve: COMMIT_RESERVE, ..BatchLimits::default() };
    quiz_lambda::sync::connect(aws, config.source, sink, None, limits)
}

/// The credentials, the key read from Secrets Manager when it is first needed, and again where Google refuses it.
struct FromAws {
    credentials: BigQueryCredentials,
    aws: SdkConfig,
}

#[async_trait]
impl CredentialsSource for FromAws {
    async fn credentials(&self) -> Result<Credentials, Cause> {
        Ok(match &self.credentials {
            BigQueryCredentials::Secret(secret) => {
                let key = secret.resolve(&self.aws).await?;
                Credentials::ServiceAccountKey(key.expose().to_owned())
            }
            BigQueryCredentials::ApplicationDefault { file } => {
                Credentials::ApplicationDefault { file: file.clone() }
            }
            BigQueryCredentials::Nobody => Credentials::Nobody,
        })
    }

    fn can_change(&self) -> bool {
        match &self.credentials {
            BigQueryCredentials::Secret(secret) => secret.can_change(),
            BigQueryCredentials::ApplicationDefault { .. } | BigQueryCredentials::Nobody => false,
        }
    }
}
