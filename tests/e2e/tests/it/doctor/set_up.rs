//! A correct set-up of everything that `doctor` checks.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, PointInTimeRecoverySpecification,
    ScalarAttributeType, TimeToLiveSpecification,
};
use aws_sdk_sqs::types::QueueAttributeName;
use mongodb::IndexModel;
use mongodb::bson::doc;
use quiz_e2e::{binaries, binary, deployment_options};
use quiz_stack::{Delivery, Deployment, Discord, DiscordRules, QueuePair, Stack, insert, unique};
use serde_json::{Value, json};

const TWO_WEEKS: &str = "1209600";

/// A set-up as the deployment creates it, with the environment variables that name its parts.
pub struct SetUp {
    pub stack: &'static Stack,
    /// A stub of Discord with a rate limit that no test reaches.
    pub discord: Discord,
    pub name: String,
    pub environment: BTreeMap<&'static str, String>,
}

impl SetUp {
    pub async fn correct() -> Self {
        let stack = Stack::get().await.unwrap();
        let discord = Discord::start(DiscordRules { per_window: 1_000, ..DiscordRules::default() }).unwrap();
        let name = unique("doctor");
        let deployment =
            Deployment::create(stack, &name, &deployment_options(&binaries(), &[], true)).await.unwrap();
        let mut environment = BTreeMap::from_iter(deployment.variables());
        environment.remove("MONGODB_URI");
        let set_up = Self { stack, discord, name, environment: BTreeMap::new() };
        set_up.make_secret("webhook", &set_up.discord.webhook_url()).await;
        environment.extend([
            ("MONGODB_URI_SECRET_ID", set_up.resource_name("mongodb-uri")),
            ("DISCORD_WEBHOOK_URL_SECRET_ID", set_up.resource_name("webhook")),
            ("DISCORD_ENDPOINT", set_up.discord.url().to_owned()),
        ]);
        set_up.fill_database(&set_up.name, true).await;
        // the template sets these; ministack's CloudFormation ignores them, like the status of an index
        let dynamodb = stack.dynamodb();
        for table in ["quiz_snapshots", "quiz_notice_memory"] {
            let expires = TimeToLiveSpecification::builder().enabled(true).attribute_name("expires_at");
            let update = dynamodb.update_time_to_live().table_name(deployment.table(table));
            update.time_to_live_specification(expires.build().unwrap()).send().await.unwrap();
        }
        for table in
            ["student_quiz_reports", "student_quiz_reports_v2", "form_question_responses", "quiz_sync_state"]
        {
            let on = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
            let update = dynamodb.update_continuous_backups().table_name(deployment.table(table));
            update.point_in_time_recovery_specification(on.build().unwrap()).send().await.unwrap();
        }
        Self { environment, ..set_up }
    }

    pub fn resource_name(&self, what: &str) -> String {
        format!("{}-{what}", self.name)
    }

    pub async fn make_secret(&self, what: &str, text: &str) {
        self.stack.create_secret(&self.resource_name(what), text).await.unwrap();
    }

    /// A table without indexes.
    pub async fn make_table(&self, what: &str, partition: &str, sort: Option<&str>) {
        let mut create = self.stack.dynamodb().create_table().table_name(self.resource_name(what));
        create = create.billing_mode(BillingMode::PayPerRequest);
        for (name, role) in
            [Some((partition, KeyType::Hash)), sort.map(|name| (name, KeyType::Range))].into_iter().flatten()
        {
            let kind = AttributeDefinition::builder().attribute_name(name);
            let kind = kind.attribute_type(ScalarAttributeType::S).build().unwrap();
            let key = KeySchemaElement::builder().attribute_name(name).key_type(role).build().unwrap();
            create = create.attribute_definitions(kind).key_schema(key);
        }
        create.send().await.unwrap();
    }

    pub async fn fill_database(&self, name: &str, indexed: bool) {
        let database = self.stack.mongodb().await.unwrap().database(name);
        for collection in ["quizzes", "questions", "sessions"] {
            insert(&database, collection, vec![doc! { "_id": "a" }]).await.unwrap();
        }
        if !indexed {
            return;
        }
        for (collection, keys) in [
            ("sessions", doc! { "quiz_id": 1, "user_id": 1 }),
            ("sessions", doc! { "updated_at": 1, "quiz_id": 1 }),
            ("questions", doc! { "question_set_id": 1 }),
        ] {
            let index = IndexModel::builder().keys(keys).build();
            database.collection::<mongodb::bson::Document>(collection).create_index(index).await.unwrap();
        }
    }

    pub async fn queue(&self, what: &str) -> QueuePair {
        let pair = self
            .stack
            .create_queue_pair(&self.resource_name(what), 5, Duration::from_mins(30))
            .await
            .unwrap();
        self.set(&pair.dlq_url, QueueAttributeName::MessageRetentionPeriod, TWO_WEEKS).await;
        pair
    }

    pub async fn set(&self, queue_url: &str, name: QueueAttributeName, value: &str) {
        let set = self.stack.sqs().set_queue_attributes().queue_url(queue_url);
        set.attributes(name, value).send().await.unwrap();
    }

    /// A topic that feeds the queues; each subscription has a dead-letter queue.
    pub async fn topic(&self, what: &str, queues: &[&QueuePair]) -> String {
        let topic = self.stack.create_topic(&self.resource_name(what)).await.unwrap();
        for queue in queues {
            let subscription = self.stack.subscribe(&topic, &queue.arn, Delivery::Raw).await.unwrap();
            let redrive = json!({ "deadLetterTargetArn": queue.dlq_arn }).to_string();
            let set = self.stack.sns().set_subscription_attributes().subscription_arn(subscription);
            set.attribute_name("RedrivePolicy").attribute_value(redrive).send().await.unwrap();
            for (url, arn) in [(&queue.url, &queue.arn), (&queue.dlq_url, &queue.dlq_arn)] {
                let policy = json!({ "Version": "2012-10-17", "Statement": [{
                    "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" },
                    "Action": "sqs:SendMessage", "Resource": arn,
                    "Condition": { "ArnEquals": { "aws:SourceArn": topic } },
                }] });
                self.set(url, QueueAttributeName::Policy, &policy.to_string()).await;
            }
        }
        topic
    }

    /// Runs the command with these variables changed.
    pub fn doctor(&self, changed: &[(&'static str, &str)], arguments: &[&str]) -> Output {
        let mut environment = self.environment.clone();
        environment.extend(changed.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut command = Command::new(binary("quiz-etl"));
        command.arg("doctor").args(arguments).env_clear().envs(environment);
        command.output().unwrap()
    }

    /// The checks of a run with these variables changed, and its exit code. Asserts that the output has no secret.
    pub fn checks(&self, changed: &[(&'static str, &str)], arguments: &[&str]) -> (Checks, i32) {
        let output = self.doctor(changed, &[&["--json"], arguments].concat());
        self.assert_silent_of_secrets(&output);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let list = report["checks"].as_array().unwrap().clone();
        for (count, status) in
            [("good", "good"), ("warnings", "warning"), ("bad", "bad"), ("skipped", "skipped")]
        {
            let counted = list.iter().filter(|check| check["status"] == status).count();
            assert_eq!(report[count], counted, "{count}");
        }
        (Checks(list), output.status.code().unwrap())
    }

    pub fn assert_silent_of_secrets(&self, output: &Output) {
        let webhook = self.discord.webhook_url();
        let token = webhook.rsplit('/').next().unwrap();
        let all = [&output.stdout[..], &output.stderr[..]].concat();
        let all = String::from_utf8_lossy(&all);
        for secret in [self.stack.mongodb_uri(), token, self.discord.bot_token(), "hunter2"] {
            assert!(!all.contains(secret), "{secret} in {all}");
        }
    }
}

#[derive(Debug)]
pub struct Checks(pub Vec<Value>);

impl Checks {
    /// The finding and the fix of the only check of the group whose name ends with `name`.
    #[track_caller]
    pub fn one(&self, group: &str, name: &str, status: &str) -> (&str, &str) {
        let matches = |check: &&Value| {
            check["group"] == group && check["name"].as_str().is_some_and(|full| full.ends_with(name))
        };
        let found: Vec<&Value> = self.0.iter().filter(matches).collect();
        assert_eq!(found.len(), 1, "{group} {name}: {found:#?} of {self:#?}");
        assert_eq!(found[0]["status"], status, "{found:#?}");
        (found[0]["found"].as_str().unwrap(), found[0]["mend"].as_str().unwrap_or_default())
    }

    /// The groups and names of all bad checks.
    pub fn bad(&self) -> Vec<String> {
        let bad = self.0.iter().filter(|check| check["status"] == "bad");
        let name = |check: &Value| {
            format!("{} {}", check["group"].as_str().unwrap(), check["name"].as_str().unwrap())
        };
        bad.map(name).collect()
    }
}
