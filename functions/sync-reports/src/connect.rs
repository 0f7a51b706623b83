use std::sync::Arc;

use quiz_dynamo::{DynamoStore, WriteLimits};
use quiz_pipeline::batch::{BatchHandler, BatchLimits};
use quiz_pipeline::ports::SystemClock;
use quiz_pipeline::{Engine, LogListener, ReportSink};
use quiz_sns_sqs::SqsQueues;
use tokio::sync::OnceCell;

use crate::mongo::LazyMongo;
use crate::{Config, Handler};

/// The handler on MongoDB, DynamoDB and SQS. Each is connected to when it is first used: one that does
/// not answer fails the messages that need it, with its cause.
pub async fn connect(config: Config) -> Handler {
    let aws = quiz_runtime::aws::config().await;
    let dynamo = aws_sdk_dynamodb::Client::new(&aws);
    let queues = SqsQueues::new(aws_sdk_sqs::Client::new(&aws));
    let source = LazyMongo {
        uri: config.mongodb_uri,
        database: config.mongodb_database,
        aws,
        connected: OnceCell::new(),
    };
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
    Handler::new(batches, Arc::new(queues))
}
