use std::sync::Arc;

use aws_config::SdkConfig;
use quiz_pipeline::batch::{BatchHandler, BatchLimits};
use quiz_pipeline::ports::SystemClock;
use quiz_pipeline::{Engine, Listener, LogListener, NoticeListener, ResultSink};
use quiz_sns_sqs::{SnsNotices, SqsQueues};
use tokio::sync::OnceCell;

use crate::mongo::LazyMongo;
use crate::{Handler, SourceSettings};

/// The handler on MongoDB, SQS and a sink. Each is connected to when it is first used: one that does not
/// answer fails the messages that need it, with its cause.
#[must_use]
pub fn connect(
    aws: SdkConfig,
    settings: SourceSettings,
    sink: Arc<dyn ResultSink>,
    limits: BatchLimits,
) -> Handler {
    let queues = SqsQueues::new(aws_sdk_sqs::Client::new(&aws));
    let clock = Arc::new(SystemClock);
    let listener: Arc<dyn Listener> = match settings.notices_topic {
        Some(topic) => {
            let notices = SnsNotices::new(aws_sdk_sns::Client::new(&aws), topic);
            Arc::new(NoticeListener::new(
                sink.name(),
                Arc::new(LogListener),
                Arc::new(notices),
                clock.clone(),
            ))
        }
        None => Arc::new(LogListener),
    };
    let source = LazyMongo {
        uri: settings.mongodb_uri,
        database: settings.mongodb_database,
        aws,
        connected: OnceCell::new(),
    };
    let engine = Engine::new(Arc::new(source), sink, clock.clone(), settings.excluded_users);
    let batches = BatchHandler { sync: Arc::new(engine), listener, clock, limits };
    Handler::new(batches, Arc::new(queues))
}
