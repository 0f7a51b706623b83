use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quiz_dynamo::DynamoStates;
use quiz_events::Notices;
use quiz_lambda::Commit;
use quiz_lambda::config::ReconcileConfig;
use quiz_lambda::sync::{EmbeddedMetrics, LazyMongo};
use quiz_mongo::MongoCatalog;
use quiz_pipeline::ports::{CompletedQuiz, LastAnswer, SourceError, SystemClock};
use quiz_sns_sqs::{EventTopic, SnsNotices};

use crate::pass::Reconciler;
use crate::ports::{Answers, Window};

/// A reconciler on MongoDB, DynamoDB and SNS. Each client connects when it is first used; the connection to MongoDB is
/// opened in the background at once.
pub async fn connect(config: ReconcileConfig) -> Reconciler {
    let aws = quiz_lambda::aws::config().await;
    let sns = aws_sdk_sns::Client::new(&aws);
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws);
    let commit = Commit::from_process();
    let source = config.source;
    let notices = source.notices_topic.map(|topic| SnsNotices::new(sns.clone(), topic, commit.hash()));
    let answers = AnswerCatalog {
        mongo: Arc::new(LazyMongo::new(source.mongodb_uri, source.mongodb_database, aws)),
        excluded_users: source.excluded_users,
    };
    quiz_lambda::begin("MongoDB connection", Arc::clone(&answers.mongo).ready());
    Reconciler {
        states: Arc::new(DynamoStates::new(dynamodb, source.state_table)),
        answers: Arc::new(answers),
        events: Arc::new(EventTopic::new(sns, config.events_topic)),
        notices: notices.map(|notices| Arc::new(notices) as Arc<dyn Notices>),
        meter: Arc::new(EmbeddedMetrics { namespace: source.metrics_namespace, commit }),
        clock: Arc::new(SystemClock),
        limits: config.limits,
    }
}

/// The answers in MongoDB. A pass works on the sync states also if MongoDB cannot be reached.
struct AnswerCatalog {
    mongo: Arc<LazyMongo<MongoCatalog>>,
    excluded_users: HashSet<String>,
}

#[async_trait]
impl Answers for AnswerCatalog {
    async fn answered(&self, window: Window, patience: Duration) -> Result<Vec<LastAnswer>, SourceError> {
        let read = |catalog: Arc<MongoCatalog>| async move {
            catalog.answered_within(window.since, window.until, patience).await
        };
        self.mongo.run(read).await
    }

    async fn completed(
        &self,
        quiz_ids: &[String],
        window: Window,
        patience: Duration,
    ) -> Result<Vec<CompletedQuiz>, SourceError> {
        let (within, excluded) = ((window.since, window.until), &self.excluded_users);
        let read = |catalog: Arc<MongoCatalog>| async move {
            catalog.completed_within(quiz_ids, within, excluded, patience).await
        };
        self.mongo.run(read).await
    }

    async fn titles(&self, quiz_ids: &[String]) -> Result<HashMap<String, Option<String>>, SourceError> {
        self.mongo.run(|catalog| async move { catalog.titles(quiz_ids).await }).await
    }
}
