use anyhow::Context;
use aws_config::SdkConfig;
use quiz_domain::reports::ReportFormats;
use quiz_dynamo::{DynamoStates, DynamoStore, TableNames, WriteLimits};
use quiz_lambda::sync::SourceSettings;
use quiz_lambda::{Commit, Environment};
use quiz_mongo::{MongoCatalog, MongoSource};
use quiz_sns_sqs::{EventTopic, SnsNotices};

use crate::audit::Audit;

/// The topics and the state table of the environment: all that publishing and following need.
pub struct BackfillSettings {
    pub aws: SdkConfig,
    pub events_topic: String,
    pub notices_topic: String,
    pub state_table: String,
}

impl BackfillSettings {
    /// Reads the environment; with `publishes`, both topics must be set.
    ///
    /// # Errors
    /// All missing or wrong settings at once; or no access to AWS.
    pub async fn read(publishes: bool) -> anyhow::Result<Self> {
        let mut env = Environment::from_process();
        let events_topic = env.optional("EVENTS_TOPIC_ARN").unwrap_or_default();
        if publishes && events_topic.is_empty() {
            env.problem("EVENTS_TOPIC_ARN must be set".to_owned());
        }
        let notices_topic = if publishes { Audit::require_topic(&mut env) } else { String::new() };
        let state_table = env.or("SYNC_STATE_TABLE", "quiz_sync_state");
        env.finish(())?;
        let aws = quiz_lambda::aws::signed_in().await?;
        Ok(Self { aws, events_topic, notices_topic, state_table })
    }

    #[must_use]
    pub fn topic(&self) -> EventTopic {
        EventTopic::new(aws_sdk_sns::Client::new(&self.aws), self.events_topic.clone())
    }

    #[must_use]
    pub fn notices(&self) -> SnsNotices {
        let (sns, topic) = (aws_sdk_sns::Client::new(&self.aws), self.notices_topic.clone());
        SnsNotices::new(sns, topic, Commit::from_process().hash())
    }

    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit::new(&self.aws, self.notices_topic.clone())
    }

    #[must_use]
    pub fn states(&self) -> DynamoStates {
        DynamoStates::new(aws_sdk_dynamodb::Client::new(&self.aws), self.state_table.clone())
    }
}

/// MongoDB's documents and the stored reports: all that planning and dry runs need.
pub struct Documents {
    pub source: MongoSource,
    pub catalog: MongoCatalog,
    pub reports: DynamoStore,
    pub formats: ReportFormats,
    pub settings: SourceSettings,
}

impl Documents {
    /// Connects to MongoDB and DynamoDB, as the environment says.
    ///
    /// # Errors
    /// Missing or wrong settings; a secret with MongoDB's URI that cannot be read.
    pub async fn connect(aws: &SdkConfig) -> anyhow::Result<Self> {
        let mut env = Environment::from_process();
        let settings = SourceSettings::read(&mut env);
        let formats = quiz_lambda::config::formats(&mut env);
        let tables: TableNames = quiz_lambda::config::table_names(&env);
        let settings = env.finish(settings)?;
        let uri = settings.mongodb_uri.resolve(aws).await.context("cannot read the MongoDB URI")?;
        let uri = uri.plain()?;
        let source = MongoSource::connect(uri, &settings.mongodb_database).await?;
        let catalog = MongoCatalog::connect(uri, &settings.mongodb_database).await?;
        let reports = DynamoStore::new(aws_sdk_dynamodb::Client::new(aws), tables, WriteLimits::default());
        Ok(Self { source, catalog, reports, formats, settings })
    }
}
