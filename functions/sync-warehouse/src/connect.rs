use std::sync::Arc;
use std::time::Duration;

use quiz_bigquery::{BigQueryWarehouse, Settings};
use quiz_lambda::sqs::SqsHandler;
use quiz_pipeline::WarehouseSink;
use quiz_pipeline::batch::BatchLimits;

use quiz_lambda::config::{BigQueryIdentity, WarehouseConfig};

/// Time for a load and a transaction. They take seconds, and longer with concurrent writers.
const COMMIT_RESERVE: Duration = Duration::from_mins(2);

/// The handler on MongoDB, BigQuery and SQS.
pub async fn connect(config: WarehouseConfig) -> SqsHandler {
    let aws = quiz_lambda::aws::config().await;
    let credentials = BigQueryIdentity { credentials: config.credentials, aws: aws.clone() };
    let settings = Settings { bytes_per_job: config.bytes_per_job, ..Settings::new(config.location) };
    let warehouse = BigQueryWarehouse::new(settings, Arc::new(credentials));
    quiz_lambda::begin("BigQuery connection", warehouse.clone().ready());
    let sink = Arc::new(WarehouseSink::new(Arc::new(warehouse)));
    let limits = BatchLimits { commit_reserve: COMMIT_RESERVE, ..BatchLimits::default() };
    quiz_lambda::sync::connect(aws, config.source, sink, None, limits)
}
