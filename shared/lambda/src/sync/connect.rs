use std::sync::Arc;

use aws_config::SdkConfig;
use quiz_dynamo::DynamoStates;
use quiz_pipeline::batch::{BatchHandler, BatchLimits};
use quiz_pipeline::ports::{SnapshotStore, SystemClock};
use quiz_pipeline::{
    Coordinator, Engine, Listener, Listeners, LogListener, MetricsListener, NoticeListener, ResultSink,
    Snapshots,
};
use quiz_sns_sqs::{SnsNotices, SqsQueue};

use crate::Commit;
use crate::sqs::SqsHandler;
use crate::sync::mongo::LazyMongo;
use crate::sync::{EmbeddedMetrics, SourceSettings};

/// The handler on MongoDB, SQS and a sink.
///
/// Each client connects when it is first used; the connection to MongoDB is opened in the background at once. A service
/// that does not answer fails only the messages that need it. Without snapshots, or without a commit to label them,
/// every sync reads all attempts.
#[must_use]
pub fn connect(
    aws: SdkConfig,
    settings: SourceSettings,
    sink: Arc<dyn ResultSink>,
    snapshots: Option<Arc<dyn SnapshotStore>>,
    limits: BatchLimits,
) -> SqsHandler {
    let sqs = aws_sdk_sqs::Client::new(&aws);
    let clock = Arc::new(SystemClock);
    let commit = Commit::from_process();
    let metrics = EmbeddedMetrics { namespace: settings.metrics_namespace, commit: commit.clone() };
    let mut listeners: Vec<Arc<dyn Listener>> =
        vec![Arc::new(LogListener), Arc::new(MetricsListener::new(sink.sink(), Arc::new(metrics)))];
    if let Some(topic) = settings.notices_topic {
        let notices = SnsNotices::new(aws_sdk_sns::Client::new(&aws), topic, commit.hash());
        let notices = NoticeListener::new(sink.sink(), Arc::new(notices), clock.clone());
        listeners.push(Arc::new(notices.without_outages()));
    }
    let listener = Arc::new(Listeners(listeners));
    let states = DynamoStates::new(aws_sdk_dynamodb::Client::new(&aws), settings.state_table);
    let coordinator = Coordinator::new(Arc::new(states), clock.clone(), sink.sink(), settings.rules);
    let source = Arc::new(LazyMongo::new(settings.mongodb_uri, settings.mongodb_database, aws));
    crate::begin("MongoDB connection", Arc::clone(&source).ready());
    let engine = Engine::new(source, sink, clock.clone(), settings.excluded_users);
    let engine = match snapshots.zip(commit.hash()) {
        Some((store, commit)) => engine.with_snapshots(Snapshots::new(store, commit)),
        None => engine,
    };
    let limits = BatchLimits { backoff: settings.backoff, ..limits };
    let batches = BatchHandler { sync: Arc::new(engine), coordinator, listener, clock, limits };
    SqsHandler::new(Arc::new(batches), move |arn| Arc::new(SqsQueue::from_arn(sqs.clone(), arn)))
        .with_session_clock(settings.session_clock)
}
