use std::sync::Arc;

use anyhow::Context;
use quiz_dynamo::{DynamoStore, WriteLimits};
use quiz_mongo::MongoSource;
use quiz_pipeline::batch::{BatchHandler, BatchLimits};
use quiz_pipeline::ports::SystemClock;
use quiz_pipeline::{Engine, LogListener, ReportSink};
use quiz_sns_sqs::SqsQueues;

use crate::{Config, Handler};

/// The handler on MongoDB, DynamoDB and SQS. Clients connect when they are first used.
///
/// # Errors
/// Where the secret cannot be had, or the MongoDB URI is none.
pub async fn connect(config: Config) -> anyhow::Result<Handler> {
    let aws = quiz_runtime::aws::config().await;
    let uri = config.mongodb_uri.resolve(&aws).await.context("MONGODB_URI_SECRET_ID")?;
    let source = MongoSource::connect(uri.expose(), &config.mongodb_database).await?;
    let dynamo = aws_sdk_dynamodb::Client::new(&aws);
    let store = DynamoStore::new(dynamo, config.tables, WriteLimits::default());
    let clock = Arc::new(SystemClock);
    let sink = Arc::new(ReportSink::new(Arc::new(store), config.reports.formats));
    let engine = Engine::new(Arc::new(source), sink, clock.clone(), config.reports.excluded_users);
    let batches = BatchHandler {
        sync: Arc::new(engine),
        listener: Arc::new(LogListener),
        clock,
        limits: BatchLimits::default(),
    };
    Ok(Handler::new(batches, Arc::new(SqsQueues::new(aws_sdk_sqs::Client::new(&aws)))))
}
