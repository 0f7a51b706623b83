use std::sync::Arc;
use std::time::Duration;

use quiz_dynamo::{DynamoSnapshots, DynamoStore, WriteLimits};
use quiz_lambda::sqs::SqsHandler;
use quiz_pipeline::batch::BatchLimits;
use quiz_pipeline::{ReportSink, Rules};

use quiz_lambda::config::ReportsConfig;

/// Time to stop a run before the deadline. A stopped run keeps its lease until an unanswered write can no longer arrive,
/// which takes up to [`Rules::late`]; three quarters of the reserve are for this wait.
const STOP_RESERVE: Duration = Duration::from_secs(16);
/// A run does not start with less time than this before the deadline.
const START_RESERVE: Duration = Duration::from_secs(28);
const _: () = assert!(
    STOP_RESERVE.as_millis() * 3 / 4 >= Rules::DEFAULT.late.as_millis(),
    "a stopped run must keep its lease until its writes cannot arrive"
);

/// The handler on MongoDB, DynamoDB and SQS.
pub async fn connect(config: ReportsConfig) -> SqsHandler {
    let aws = quiz_lambda::aws::config().await;
    let dynamo = aws_sdk_dynamodb::Client::new(&aws);
    let store = DynamoStore::new(dynamo.clone(), config.tables, WriteLimits::default());
    let snapshots = DynamoSnapshots::new(dynamo, config.snapshots_table, WriteLimits::default());
    let sink = Arc::new(ReportSink::new(Arc::new(store), config.formats));
    let limits =
        BatchLimits { stop_reserve: STOP_RESERVE, start_reserve: START_RESERVE, ..BatchLimits::default() };
    quiz_lambda::sync::connect(aws, config.source, sink, Some(Arc::new(snapshots)), limits)
}
