use std::sync::Arc;

use quiz_dynamo::{DynamoSnapshots, DynamoStore, WriteLimits};
use quiz_pipeline::ReportSink;
use quiz_pipeline::batch::BatchLimits;
use quiz_sync_function::Handler;

use crate::Config;

/// The handler on MongoDB, DynamoDB and SQS.
pub async fn connect(config: Config) -> Handler {
    let aws = quiz_runtime::aws::config().await;
    let dynamo = aws_sdk_dynamodb::Client::new(&aws);
    let store = DynamoStore::new(dynamo.clone(), config.tables, WriteLimits::default());
    let snapshots = DynamoSnapshots::new(dynamo, config.snapshots_table, WriteLimits::default());
    let sink = Arc::new(ReportSink::new(Arc::new(store), config.formats));
    quiz_sync_function::connect(aws, config.source, sink, Some(Arc::new(snapshots)), BatchLimits::default())
}
