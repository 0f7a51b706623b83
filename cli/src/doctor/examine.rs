//! Runs the chosen groups of checks, and the checks that they depend on.

use aws_config::SdkConfig;
use futures::future::join_all;
use quiz_dynamo::TableInspector;
use quiz_lambda::SecretSource;
use quiz_lambda::config::BigQueryCredentials;
use quiz_lambda::config::DiscordSource;

use crate::doctor::call_timeout::CallTimeout;
use crate::doctor::check::{Check, Finding, Group, Status};
use crate::doctor::configuration::DoctorSettings;
use crate::doctor::secrets::{self, SecretLookup};
use crate::doctor::{aws, bigquery, discord, mongodb, queues, tables, topics};

/// Checks the `wanted` groups and their dependencies. Returns a check of a dependency only if it is bad.
pub async fn examine(settings: DoctorSettings, wanted: &[Group], timeout: CallTimeout) -> Vec<Check> {
    let examiner = Examiner { settings: &settings, wanted, timeout };
    let mut checks = settings.checks.clone();
    checks.extend(examiner.check_all().await);
    let is_wanted = |check: &Check| wanted.contains(&check.group);
    let has_skipped = checks.iter().any(|check| is_wanted(check) && check.finding.status == Status::Skipped);
    checks.retain(|check| {
        // a problem in the configuration may concern a group that is not wanted
        let matters = check.group != Group::Configuration || has_skipped;
        is_wanted(check) || (check.finding.status == Status::Bad && matters)
    });
    checks.sort_by_key(|check| check.group);
    checks
}

struct Examiner<'a> {
    settings: &'a DoctorSettings,
    wanted: &'a [Group],
    timeout: CallTimeout,
}

impl Examiner<'_> {
    fn wants(&self, group: Group) -> bool {
        self.wanted.contains(&group)
    }

    async fn check_all(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        let mut config = None;
        if self.needs_aws() {
            let loaded = quiz_lambda::aws::config().await;
            checks = aws::check(&loaded, self.timeout).await;
            config = checks.iter().all(|check| check.finding.status != Status::Bad).then_some(loaded);
        }
        let aws = config.as_ref();
        let (mongodb, tables, topics, bigquery, discord) = futures::join!(
            self.mongodb(aws),
            self.tables(aws),
            self.topics(aws),
            self.bigquery(aws),
            self.discord(aws),
        );
        for group_checks in [mongodb, tables, topics, bigquery, discord] {
            checks.extend(group_checks);
        }
        if self.wants(Group::Secrets) && !checks.iter().any(|check| check.group == Group::Secrets) {
            let finding = Finding::skipped("no variable names a secret");
            checks.push(Group::Secrets.check("secrets", finding));
        }
        checks
    }

    fn needs_aws(&self) -> bool {
        let by_id = |group, source: Option<&SecretSource>| {
            self.wants(group) && matches!(source, Some(SecretSource::ById(_)))
        };
        let always = [Group::Aws, Group::Secrets, Group::Dynamodb, Group::Sns, Group::Sqs];
        always.iter().any(|group| self.wants(*group))
            || by_id(Group::Mongodb, self.settings.mongodb_uri.as_ref())
            || by_id(Group::Bigquery, self.credentials_source())
            || by_id(Group::Discord, self.discord_source())
    }

    fn credentials_source(&self) -> Option<&SecretSource> {
        match &self.settings.warehouse.get()?.credentials {
            BigQueryCredentials::Secret(source) => Some(source),
            BigQueryCredentials::ApplicationDefault { .. } | BigQueryCredentials::Anonymous => None,
        }
    }

    fn discord_source(&self) -> Option<&SecretSource> {
        match &self.settings.discord.get()?.discord {
            DiscordSource::Webhook(source) | DiscordSource::Bot { token: source, .. } => Some(source),
        }
    }

    /// Whether the group, or the check of its secret, is wanted.
    fn wants_with_secret(&self, group: Group) -> bool {
        self.wants(group) || self.wants(Group::Secrets)
    }

    async fn mongodb(&self, aws: Option<&SdkConfig>) -> Vec<Check> {
        if !self.wants_with_secret(Group::Mongodb) {
            return Vec::new();
        }
        let skipped = |because: &str| Group::Mongodb.check("server", Finding::skipped(because));
        let Some(source) = &self.settings.mongodb_uri else {
            return vec![skipped("MONGODB_URI is not configured")];
        };
        let (check, secret) = secrets::read("MONGODB_URI_SECRET_ID", source, aws, self.timeout).await;
        let mut checks = Vec::from_iter(check);
        match secret {
            SecretLookup::Read(uri) if self.wants(Group::Mongodb) => {
                let database = &self.settings.mongodb_database;
                checks.extend(mongodb::check(&uri, database, self.timeout).await);
            }
            SecretLookup::Read(_) => {}
            SecretLookup::Failed(because) => checks.push(skipped(&because)),
        }
        checks
    }

    async fn tables(&self, aws: Option<&SdkConfig>) -> Vec<Check> {
        if !self.wants(Group::Dynamodb) {
            return Vec::new();
        }
        let Some(aws) = aws else {
            return vec![Group::Dynamodb.check("tables", Finding::skipped(WITHOUT_AWS))];
        };
        let inspector = TableInspector::new(aws_sdk_dynamodb::Client::new(aws));
        tables::check(&inspector, &self.settings.tables, self.timeout).await
    }

    async fn topics(&self, aws: Option<&SdkConfig>) -> Vec<Check> {
        if !self.wants(Group::Sns) && !self.wants(Group::Sqs) {
            return Vec::new();
        }
        let Some(aws) = aws else {
            let skipped = |group: Group, name: &str| group.check(name, Finding::skipped(WITHOUT_AWS));
            return vec![skipped(Group::Sns, "topics"), skipped(Group::Sqs, "queues")];
        };
        let topics = &self.settings.topics;
        let results = join_all(topics.iter().map(|topic| topics::check(aws, topic, self.timeout))).await;
        let mut checks = Vec::new();
        let mut fed = Vec::new();
        for (topic_checks, queues) in results {
            checks.extend(topic_checks);
            fed.extend(queues);
        }
        if self.settings.is_missing_topics {
            let finding = Finding::skipped("not all topics are configured");
            checks.push(Group::Sns.check("other topics", finding));
        }
        if fed.is_empty() {
            let finding = Finding::skipped("no subscription feeds a queue");
            checks.push(Group::Sqs.check("queues", finding));
        } else if self.wants(Group::Sqs) {
            checks.extend(queues::check(aws, &fed, self.timeout).await);
        }
        checks
    }

    async fn bigquery(&self, aws: Option<&SdkConfig>) -> Vec<Check> {
        if !self.wants_with_secret(Group::Bigquery) {
            return Vec::new();
        }
        let skipped = |because: &str| Group::Bigquery.check("dataset", Finding::skipped(because));
        let Some(config) = self.settings.warehouse.get() else {
            return vec![skipped(&self.settings.warehouse.because("sync-warehouse"))];
        };
        let (mut checks, mut json) = (Vec::new(), None);
        if let Some(source) = self.credentials_source() {
            let variable = "BIGQUERY_CREDENTIALS_SECRET_ID";
            let (check, secret) = secrets::read(variable, source, aws, self.timeout).await;
            checks.extend(check);
            match secret {
                SecretLookup::Read(secret) => json = Some(secret),
                SecretLookup::Failed(because) => {
                    checks.push(skipped(&because));
                    return checks;
                }
            }
        }
        if self.wants(Group::Bigquery) {
            checks.extend(bigquery::check(config, json.as_ref(), aws, self.timeout).await);
        }
        checks
    }

    async fn discord(&self, aws: Option<&SdkConfig>) -> Vec<Check> {
        if !self.wants_with_secret(Group::Discord) {
            return Vec::new();
        }
        let skipped = |because: &str| Group::Discord.check("channel", Finding::skipped(because));
        let (Some(config), Some(source)) = (self.settings.discord.get(), self.discord_source()) else {
            return vec![skipped(&self.settings.discord.because("notify-discord"))];
        };
        let variable = match config.discord {
            DiscordSource::Webhook(_) => "DISCORD_WEBHOOK_URL_SECRET_ID",
            DiscordSource::Bot { .. } => "DISCORD_TOKEN_SECRET_ID",
        };
        let (check, secret) = secrets::read(variable, source, aws, self.timeout).await;
        let mut checks = Vec::from_iter(check);
        match secret {
            SecretLookup::Read(secret) if self.wants(Group::Discord) => {
                checks.extend(discord::check(config, &secret, self.timeout).await);
            }
            SecretLookup::Read(_) => {}
            SecretLookup::Failed(because) => checks.push(skipped(&because)),
        }
        checks
    }
}

const WITHOUT_AWS: &str = "AWS is not available";
