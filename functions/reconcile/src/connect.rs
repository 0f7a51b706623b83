use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quiz_domain::KeyDigest;
use quiz_dynamo::DynamoStates;
use quiz_events::Notices;
use quiz_lambda::Commit;
use quiz_lambda::config::ReconcileConfig;
use quiz_lambda::sync::{EmbeddedMetrics, LazyMongo};
use quiz_mongo::MongoCatalog;
use quiz_pipeline::ports::{CompletedQuiz, LastAnswer, SourceError, SystemClock};
use quiz_sns_sqs::{EventTopic, SnsNotices};
use tokio::time::{Instant, timeout_at};

use crate::pass::{PassError, Reconciler, Summary};
use crate::ports::{Answers, Window};

/// The function on MongoDB, DynamoDB and SNS.
pub struct Reconcile {
    states: DynamoStates,
    reconciler: Reconciler,
}

impl Reconcile {
    /// Prepares the indexes of the sync states, then does a pass. The first part ends after a third of the time, or half of
    /// it if DynamoDB does not answer.
    ///
    /// # Errors
    /// [`PassError`] if a service failed or did not answer before `deadline`. A pass without an index works, more slowly.
    pub async fn pass(&self, lookback: Duration, deadline: Instant) -> Result<Summary, PassError> {
        let (now, left) = (Instant::now(), deadline.saturating_duration_since(Instant::now()));
        let prepared = timeout_at(now + left / 2, self.states.prepare_indexes(now + left / 3)).await;
        let pass = self.reconciler.pass(lookback, deadline).await;
        let problem = match prepared {
            Ok(Ok(_)) => return pass,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        let mut problems = vec![format!("the indexes of the sync states were not prepared: {problem}")];
        problems.extend(pass.err().into_iter().flat_map(|error| error.problems));
        Err(PassError { problems })
    }
}

/// Connects the function. Each client connects when it is first used; the connection to MongoDB is opened in the
/// background at once.
pub async fn connect(config: ReconcileConfig) -> Reconcile {
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
    let states = DynamoStates::new(dynamodb, source.state_table);
    let reconciler = Reconciler {
        states: Arc::new(states.clone()),
        answers: Arc::new(answers),
        events: Arc::new(EventTopic::new(sns, config.events_topic)),
        notices: notices.map(|notices| Arc::new(notices) as Arc<dyn Notices>),
        meter: Arc::new(EmbeddedMetrics { namespace: source.metrics_namespace, commit }),
        clock: Arc::new(SystemClock),
        limits: config.limits,
    };
    Reconcile { states, reconciler }
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

    async fn keys(&self, quiz_ids: &[String]) -> Result<HashMap<String, KeyDigest>, SourceError> {
        self.mongo.run(|catalog| async move { catalog.keys(quiz_ids).await }).await
    }

    async fn titles(&self, quiz_ids: &[String]) -> Result<HashMap<String, Option<String>>, SourceError> {
        self.mongo.run(|catalog| async move { catalog.titles(quiz_ids).await }).await
    }
}
