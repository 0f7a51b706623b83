//! `quiz-etl doctor` on the stack: what is well made is good, and each planted fault is named with its mend.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, PointInTimeRecoverySpecification,
    ScalarAttributeType, TimeToLiveSpecification,
};
use aws_sdk_sqs::types::QueueAttributeName;
use mongodb::IndexModel;
use mongodb::bson::doc;
use quiz_stack::{
    BIGQUERY_PROJECT, Delivery, Discord, DiscordRules, QueuePair, REGION, Stack, insert, unique,
};
use serde_json::{Value, json};
use support::binary;

const TWO_WEEKS: &str = "1209600";

/// A set-up as the deployment makes it, with the environment that leads to it.
struct SetUp {
    stack: &'static Stack,
    discord: Discord,
    name: String,
    environment: BTreeMap<&'static str, String>,
}

impl SetUp {
    async fn well_made() -> Self {
        let stack = Stack::get().await.unwrap();
        let discord = Discord::start(DiscordRules { per_window: 1_000, ..DiscordRules::default() }).unwrap();
        let name = unique("doctor");
        let of = |what: &str| format!("{name}-{what}");
        let mut environment = BTreeMap::from([
            ("AWS_ENDPOINT_URL", stack.aws_endpoint().to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("MONGODB_URI_SECRET_ID", of("mongodb-uri")),
            ("MONGODB_DATABASE", name.clone()),
            ("REPORT_FORMATS", "v1,v2".to_owned()),
            ("REPORTS_TABLE", of("v1")),
            ("REPORTS_V2_TABLE", of("v2")),
            ("FORM_RESPONSES_TABLE", of("forms")),
            ("SYNC_STATE_TABLE", of("states")),
            ("NOTICE_MEMORY_TABLE", of("memory")),
            ("BIGQUERY_PROJECT", BIGQUERY_PROJECT.to_owned()),
            ("BIGQUERY_DATASET", name.replace('-', "_")),
            // where the emulator has every dataset
            ("BIGQUERY_LOCATION", "US".to_owned()),
            ("BIGQUERY_ENDPOINT", stack.bigquery_endpoint().to_owned()),
            ("DISCORD_WEBHOOK_URL_SECRET_ID", of("webhook")),
            ("DISCORD_ENDPOINT", discord.url().to_owned()),
        ]);
        stack.bigquery(&name.replace('-', "_")).await.unwrap();
        let set_up = Self { stack, discord, name, environment: BTreeMap::new() };
        set_up.make_secret("mongodb-uri", stack.mongodb_uri()).await;
        set_up.make_secret("webhook", &set_up.discord.webhook_url()).await;
        set_up.make_tables().await;
        set_up.fill_database(&set_up.name, true).await;
        let reports = set_up.queue("reports").await;
        let warehouse = set_up.queue("warehouse").await;
        let notices = set_up.queue("notices").await;
        environment.insert("EVENTS_TOPIC_ARN", set_up.topic("events", &[&reports, &warehouse]).await);
        environment.insert("NOTICES_TOPIC_ARN", set_up.topic("sync-notices", &[&notices]).await);
        Self { environment, ..set_up }
    }

    fn of(&self, what: &str) -> String {
        format!("{}-{what}", self.name)
    }

    async fn make_secret(&self, what: &str, text: &str) {
        let client = aws_sdk_secretsmanager::Client::new(&self.stack.aws_config());
        client.create_secret().name(self.of(what)).secret_string(text).send().await.unwrap();
    }

    async fn make_tables(&self) {
        let (stack, dynamodb) = (self.stack, self.stack.dynamodb());
        stack.create_reports_table(&self.of("v1")).await.unwrap();
        stack.create_reports_v2_table(&self.of("v2")).await.unwrap();
        stack.create_form_responses_table(&self.of("forms")).await.unwrap();
        stack.create_sync_state_table(&self.of("states")).await.unwrap();
        for table in ["v1", "v2", "forms", "states"] {
            let on = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
            let update = dynamodb.update_continuous_backups().table_name(self.of(table));
            update.point_in_time_recovery_specification(on.build().unwrap()).send().await.unwrap();
        }
        self.make_table("memory", "name", None).await;
        let expires = TimeToLiveSpecification::builder().enabled(true).attribute_name("expires_at");
        let update = dynamodb.update_time_to_live().table_name(self.of("memory"));
        update.time_to_live_specification(expires.build().unwrap()).send().await.unwrap();
    }

    /// A table without indexes.
    async fn make_table(&self, what: &str, partition: &str, sort: Option<&str>) {
        let mut create = self.stack.dynamodb().create_table().table_name(self.of(what));
        create = create.billing_mode(BillingMode::PayPerRequest);
        for (name, role) in
            [Some((partition, KeyType::Hash)), sort.map(|it| (it, KeyType::Range))].into_iter().flatten()
        {
            let kind = AttributeDefinition::builder().attribute_name(name);
            let kind = kind.attribute_type(ScalarAttributeType::S).build().unwrap();
            let key = KeySchemaElement::builder().attribute_name(name).key_type(role).build().unwrap();
            create = create.attribute_definitions(kind).key_schema(key);
        }
        create.send().await.unwrap();
    }

    async fn fill_database(&self, name: &str, indexed: bool) {
        let database = self.stack.mongodb().await.unwrap().database(name);
        for collection in ["quizzes", "questions", "sessions"] {
            insert(&database, collection, vec![doc! { "_id": "a" }]).await.unwrap();
        }
        if !indexed {
            return;
        }
        for (collection, keys) in [
            ("sessions", doc! { "quiz_id": 1, "user_id": 1 }),
            ("sessions", doc! { "updated_at": 1 }),
            ("questions", doc! { "question_set_id": 1 }),
        ] {
            let index = IndexModel::builder().keys(keys).build();
            database.collection::<mongodb::bson::Document>(collection).create_index(index).await.unwrap();
        }
    }

    async fn queue(&self, what: &str) -> QueuePair {
        let pair = self.stack.create_queue_pair(&self.of(what), 5, Duration::from_mins(30)).await.unwrap();
        self.set(&pair.dlq_url, QueueAttributeName::MessageRetentionPeriod, TWO_WEEKS).await;
        pair
    }

    async fn set(&self, queue_url: &str, name: QueueAttributeName, value: &str) {
        let set = self.stack.sqs().set_queue_attributes().queue_url(queue_url);
        set.attributes(name, value).send().await.unwrap();
    }

    /// A topic that leads to the queues, each with a dead-letter queue of its subscription.
    async fn topic(&self, what: &str, queues: &[&QueuePair]) -> String {
        let topic = self.stack.create_topic(&self.of(what)).await.unwrap();
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
    fn doctor(&self, changed: &[(&'static str, &str)], arguments: &[&str]) -> Output {
        let mut environment = self.environment.clone();
        environment.extend(changed.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut command = Command::new(binary("quiz-etl"));
        command.arg("doctor").args(arguments).env_clear().envs(environment);
        command.output().unwrap()
    }

    /// The checks of a run with these variables changed, and its exit code. It tells no secret.
    fn checks(&self, changed: &[(&'static str, &str)], arguments: &[&str]) -> (Checks, i32) {
        let output = self.doctor(changed, &[&["--json"], arguments].concat());
        self.assert_silent_of_secrets(&output);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let list = told["checks"].as_array().unwrap().clone();
        for (count, status) in
            [("good", "good"), ("warnings", "warning"), ("bad", "bad"), ("skipped", "skipped")]
        {
            let counted = list.iter().filter(|check| check["status"] == status).count();
            assert_eq!(told[count], counted, "{count}");
        }
        (Checks(list), output.status.code().unwrap())
    }

    fn assert_silent_of_secrets(&self, output: &Output) {
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
struct Checks(Vec<Value>);

impl Checks {
    /// What was found, and what to do, of the check of a group whose name ends so.
    #[track_caller]
    fn one(&self, group: &str, name: &str, status: &str) -> (&str, &str) {
        let of = |check: &&Value| {
            check["group"] == group && check["name"].as_str().is_some_and(|it| it.ends_with(name))
        };
        let found: Vec<&Value> = self.0.iter().filter(of).collect();
        assert_eq!(found.len(), 1, "{group} {name}: {found:#?} of {self:#?}");
        assert_eq!(found[0]["status"], status, "{found:#?}");
        (found[0]["found"].as_str().unwrap(), found[0]["mend"].as_str().unwrap_or_default())
    }

    /// The groups and names of all that is bad.
    fn bad(&self) -> Vec<String> {
        let bad = self.0.iter().filter(|check| check["status"] == "bad");
        let name = |check: &Value| {
            format!("{} {}", check["group"].as_str().unwrap(), check["name"].as_str().unwrap())
        };
        bad.map(name).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_well_made_set_up_is_good() {
    let set_up = SetUp::well_made().await;
    let output = set_up.doctor(&[], &[]);
    set_up.assert_silent_of_secrets(&output);
    let shown = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let shown = shown.replace(&set_up.name.replace('-', "_"), "DATASET").replace(&set_up.name, "NAME");
    let version = shown.split("server: MongoDB ").nth(1).and_then(|it| it.split(',').next()).unwrap();
    insta::assert_snapshot!(shown.replace(version, "VERSION"));
    assert_eq!(set_up.discord.messages(), [], "nothing is posted");
    assert_eq!(set_up.discord.violations(), Vec::<String>::new());
    let tables = set_up.stack.bigquery(&set_up.name.replace('-', "_")).await.unwrap().tables().await.unwrap();
    assert!(tables.is_empty(), "nothing is made: {tables:?}");

    let (checks, code) = set_up.checks(&[], &["--only", "mongodb", "--only", "sns"]);
    assert_eq!(code, 0);
    let groups: Vec<&str> = checks.0.iter().map(|check| check["group"].as_str().unwrap()).collect();
    assert!(groups.iter().all(|group| ["mongodb", "sns"].contains(group)), "{groups:?}");
    assert!(groups.contains(&"mongodb") && groups.contains(&"sns"));
    let wrong = set_up.doctor(&[], &["--only", "mongo"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_configured_is_left_out() {
    let set_up = SetUp::well_made().await;
    let absent = [
        "BIGQUERY_PROJECT",
        "BIGQUERY_DATASET",
        "BIGQUERY_LOCATION",
        "BIGQUERY_ENDPOINT",
        "DISCORD_WEBHOOK_URL_SECRET_ID",
        "NOTICES_TOPIC_ARN",
    ]
    .map(|name| (name, ""));
    let (checks, code) = set_up.checks(&absent, &[]);
    assert_eq!((code, checks.bad()), (0, Vec::new()));
    checks.one("configuration", "sync-warehouse", "warning");
    checks.one("configuration", "notify-discord", "warning");
    checks.one("configuration", "notices topic", "warning");
    let (found, _) = checks.one("bigquery", "dataset", "skipped");
    assert_eq!(found, "skipped, because sync-warehouse is not configured here");
    checks.one("discord", "channel", "skipped");

    let (checks, code) = set_up.checks(&[("REPORT_FORMATS", "v3"), ("MONGODB_URI_SECRET_ID", "")], &[]);
    assert_eq!(code, 1);
    let (found, mend) = checks.one("configuration", "sync-reports", "bad");
    assert!(
        found.contains("MONGODB_URI or MONGODB_URI_SECRET_ID must be set; REPORT_FORMATS must be"),
        "{found}"
    );
    assert!(mend.contains("functions/sync-reports/README.md"), "{mend}");
    checks.one("mongodb", "server", "skipped");
    checks.one("dynamodb", "-forms", "good");
    checks.one("discord", "webhook", "good");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_with_faults() {
    let set_up = SetUp::well_made().await;
    set_up.make_table("no-index", "session_id", Some("user_id-section")).await;
    set_up.make_table("other-keys", "id", None).await;
    let [no_index, other_keys, absent] = ["no-index", "other-keys", "absent"].map(|it| set_up.of(it));
    let changed =
        [("REPORTS_TABLE", &*no_index), ("SYNC_STATE_TABLE", &other_keys), ("NOTICE_MEMORY_TABLE", &absent)];
    let (checks, code) = set_up.checks(&changed, &[]);
    assert_eq!(code, 1);
    let (found, mend) = checks.one("dynamodb", "-no-index index gsi_user_id", "bad");
    assert_eq!(found, "the table has no such index");
    assert!(mend.contains(&format!("aws dynamodb update-table --table-name {no_index} ")), "{mend}");
    let (found, mend) = checks.one("dynamodb", "-other-keys", "bad");
    assert_eq!(found, "its keys are id (S); they must be session_id (S) and sink (S)");
    assert!(mend.contains("SYNC_STATE_TABLE"), "{mend}");
    let (_, mend) = checks.one("dynamodb", "-absent", "bad");
    assert!(mend.contains(&format!("aws dynamodb create-table --table-name {absent} ")), "{mend}");
    let (found, mend) = checks.one("dynamodb", "-no-index recovery", "warning");
    assert_eq!(found, "point-in-time recovery is off");
    assert!(mend.contains("update-continuous-backups"), "{mend}");
    checks.one("dynamodb", "-absent expiry", "skipped");
    assert_eq!(checks.bad().len(), 3, "{:?}", checks.bad());
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_and_queues_with_faults() {
    let set_up = SetUp::well_made().await;
    let no_redrive = set_up.stack.sqs().create_queue().queue_name(set_up.of("bare")).send().await.unwrap();
    let no_redrive = no_redrive.queue_url.unwrap();
    let attributes = set_up.stack.sqs().get_queue_attributes().queue_url(&no_redrive);
    let attributes = attributes.attribute_names(QueueAttributeName::QueueArn).send().await.unwrap();
    let bare = attributes.attributes.unwrap()[&QueueAttributeName::QueueArn].clone();
    let topic = set_up.stack.create_topic(&set_up.of("bare")).await.unwrap();
    set_up.stack.subscribe(&topic, &bare, Delivery::Envelope).await.unwrap();
    let parked = set_up.queue("parked").await;
    set_up.stack.send_all(&parked.dlq_url, &["an event".to_owned(), "another".to_owned()]).await.unwrap();
    set_up.set(&parked.dlq_url, QueueAttributeName::MessageRetentionPeriod, "86400").await;
    let notices = set_up.topic("parked", &[&parked]).await;
    let (checks, code) = set_up.checks(&[("EVENTS_TOPIC_ARN", &topic), ("NOTICES_TOPIC_ARN", &notices)], &[]);
    assert_eq!(code, 1);
    let (found, mend) = checks.one("sns", "events topic", "warning");
    assert!(
        found.contains("reports and warehouse need one each") && mend.contains("aws sns subscribe"),
        "{mend}"
    );
    let (found, mend) = checks.one("sns", "-bare", "warning");
    assert!(found.contains("in envelopes") && mend.contains("--attribute-name RedrivePolicy"), "{mend}");
    let (_, mend) = checks.one("sqs", "-bare redrive", "bad");
    assert!(mend.contains("make a dead-letter queue"), "{mend}");
    let (found, mend) = checks.one("sqs", "-bare policy", "bad");
    assert!(found.contains("does not let") && mend.contains("set-queue-attributes"), "{mend}");
    checks.one("sqs", "-bare visibility timeout", "warning");
    let (found, mend) = checks.one("sqs", "-parked-dlq messages", "warning");
    assert_eq!((found, mend), ("2 messages lie in it", "quiz-etl dlq list"));
    let (found, _) = checks.one("sqs", "-parked-dlq retention", "bad");
    assert!(found.contains("kept for 24 h, the queue's own for 4 d"), "{found}");
    assert_eq!(checks.bad().len(), 3, "{:?}", checks.bad());

    // the mend is taken at its word
    let command = checks.one("sqs", "-bare policy", "bad").1;
    let (_, attributes) = command.split_once("--attributes '").unwrap();
    let attributes: Value = serde_json::from_str(attributes.trim_end_matches('\'')).unwrap();
    set_up.set(&no_redrive, QueueAttributeName::Policy, attributes["Policy"].as_str().unwrap()).await;
    let (checks, _) = set_up.checks(&[("EVENTS_TOPIC_ARN", &topic)], &["--only", "sqs"]);
    checks.one("sqs", "-bare policy", "good");

    let elsewhere = topic.replace("-bare", "-absent");
    let (checks, code) = set_up.checks(&[("EVENTS_TOPIC_ARN", &elsewhere)], &["--only", "sns"]);
    let (_, mend) = checks.one("sns", "events topic", "bad");
    assert!(code == 1 && mend.contains("EVENTS_TOPIC_ARN"), "{mend}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_indexes_is_told_which_to_make() {
    let set_up = SetUp::well_made().await;
    let other = format!("{}-bare", set_up.name);
    set_up.fill_database(&other, false).await;
    let (checks, code) = set_up.checks(&[("MONGODB_DATABASE", &other)], &[]);
    assert_eq!(code, 1);
    let (_, mend) = checks.one("mongodb", "index on sessions.{quiz_id: 1, user_id: 1}", "bad");
    assert_eq!(mend, "db.sessions.createIndex({quiz_id: 1, user_id: 1})");
    let (_, mend) = checks.one("mongodb", "index on questions.{question_set_id: 1}", "bad");
    assert_eq!(mend, "db.questions.createIndex({question_set_id: 1})");
    let (_, mend) = checks.one("mongodb", "index on sessions.{updated_at: 1}", "warning");
    assert_eq!(mend, "db.sessions.createIndex({updated_at: 1})");
    assert_eq!(checks.bad().len(), 2, "{:?}", checks.bad());

    let (checks, _) = set_up.checks(&[("MONGODB_DATABASE", "nothing-here")], &["--only", "mongodb"]);
    let (_, mend) = checks.one("mongodb", "sessions", "bad");
    assert!(mend.contains("MONGODB_DATABASE (nothing-here)"), "{mend}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_bad_in_time() {
    let set_up = SetUp::well_made().await;
    // takes connections, and says nothing
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let silent = silent.local_addr().unwrap();
    let closed = "127.0.0.1:1";
    for (address, patience) in [(silent.to_string(), "2"), (closed.to_owned(), "2")] {
        let uri = format!("mongodb://etl:hunter2@{address}/?authSource=admin");
        let asked = Instant::now();
        let (checks, code) =
            set_up.checks(&[("MONGODB_URI_SECRET_ID", ""), ("MONGODB_URI", &uri)], &["--timeout", patience]);
        assert!(asked.elapsed() < Duration::from_mins(1), "{:?}", asked.elapsed());
        assert_eq!(code, 1);
        let (found, mend) = checks.one("mongodb", "server", "bad");
        assert!(found.contains("answer") && mend.contains("host and port"), "{found} {mend}");
        assert_eq!(checks.bad(), ["mongodb server"]);
        checks.one("bigquery", "dataset", "good");
    }
    let (checks, code) = set_up.checks(
        &[("MONGODB_URI_SECRET_ID", ""), ("MONGODB_URI", "mongodb://etl:hunter2/x@host/quiz")],
        &["--only", "mongodb"],
    );
    let (found, _) = checks.one("mongodb", "server", "bad");
    assert!(code == 1 && found.contains("percent-encoded"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_aws_the_rest_is_skipped() {
    let set_up = SetUp::well_made().await;
    let (checks, code) = set_up.checks(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")], &[]);
    assert_eq!((code, checks.bad()), (1, vec!["aws credentials".to_owned()]));
    let (_, mend) = checks.one("aws", "credentials", "bad");
    assert!(mend.contains("AWS_ENDPOINT_URL"), "{mend}");
    for (group, name) in [("dynamodb", "tables"), ("sns", "topics"), ("sqs", "queues"), ("mongodb", "server")]
    {
        checks.one(group, name, "skipped");
    }
    checks.one("bigquery", "dataset", "good");

    // what is asked for depends on what is bad, which is told; what it does not depend on is not
    let unrelated = [("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("DISCORD_TOKEN_SECRET_ID", "both")];
    let (checks, code) = set_up.checks(&unrelated, &["--only", "bigquery"]);
    assert_eq!((code, checks.bad()), (0, Vec::new()));
    let (checks, code) =
        set_up.checks(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")], &["--only", "dynamodb"]);
    assert_eq!((code, checks.bad()), (1, vec!["aws credentials".to_owned()]));
    assert_eq!(checks.0.len(), 2, "{checks:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_with_faults() {
    let set_up = SetUp::well_made().await;
    let (checks, code) = set_up.checks(&[("BIGQUERY_DATASET", "absent")], &[]);
    assert_eq!((code, checks.bad()), (1, vec!["bigquery dataset".to_owned()]));
    let (_, mend) = checks.one("bigquery", "dataset", "bad");
    assert_eq!(mend, format!("bq --location=US mk --dataset {BIGQUERY_PROJECT}:absent"));
    checks.one("bigquery", "jobs", "good");

    let dataset = format!("{}_other", set_up.name.replace('-', "_"));
    let bigquery = set_up.stack.bigquery(&dataset).await.unwrap();
    bigquery.execute("CREATE TABLE test_responses (session_id STRING, mine STRING)").await.unwrap();
    let changed = [("BIGQUERY_DATASET", &*dataset), ("BIGQUERY_LOCATION", "asia-south1")];
    let (checks, code) = set_up.checks(&changed, &["--only", "bigquery"]);
    assert_eq!(code, 1);
    let (_, mend) = checks.one("bigquery", "dataset", "bad");
    assert_eq!(mend, "set BIGQUERY_LOCATION to US");
    let (found, mend) = checks.one("bigquery", "test_responses", "bad");
    assert!(found.contains("it has the column mine, which is none of ours"), "{found}");
    assert!(mend.contains("RENAME"), "{mend}");
    checks.one("bigquery", "all_responses_form_level", "good");

    set_up.make_secret("key", r#"{"type": "service_account", "private_key": "hunter2"}"#).await;
    let key = set_up.of("key");
    let (checks, _) = set_up.checks(&[("BIGQUERY_CREDENTIALS_SECRET_ID", &key)], &["--only", "bigquery"]);
    let (found, _) = checks.one("bigquery", "credentials", "bad");
    assert!(found.contains("no service account key"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_discord_with_faults() {
    let set_up = SetUp::well_made().await;
    let absent = set_up.of("absent");
    let (checks, code) = set_up.checks(&[("MONGODB_URI_SECRET_ID", &absent)], &[]);
    assert_eq!((code, checks.bad()), (1, vec!["secrets MONGODB_URI_SECRET_ID".to_owned()]));
    let (found, mend) = checks.one("secrets", "MONGODB_URI_SECRET_ID", "bad");
    assert_eq!(found, format!("there is no secret {absent} in this account and region"));
    assert!(mend.contains(&format!("create-secret --name {absent} ")), "{mend}");
    checks.one("mongodb", "server", "skipped");

    let wrong = set_up.discord.webhook_url().replace("stub-token", "hunter2");
    set_up.make_secret("wrong-webhook", &wrong).await;
    let id = set_up.of("wrong-webhook");
    let (checks, code) = set_up.checks(&[("DISCORD_WEBHOOK_URL_SECRET_ID", &id)], &[]);
    assert_eq!((code, checks.bad()), (1, vec!["discord webhook".to_owned()]));
    let (found, mend) = checks.one("discord", "webhook", "bad");
    assert_eq!(found, "Discord answered 401: Invalid Webhook Token");
    assert!(mend.contains("DISCORD_WEBHOOK_URL_SECRET_ID"), "{mend}");

    // the mistake that would show it
    let (checks, code) = set_up.checks(&[("DISCORD_WEBHOOK_URL_SECRET_ID", &wrong)], &["--only", "discord"]);
    let (found, _) = checks.one("secrets", "DISCORD_WEBHOOK_URL_SECRET_ID", "bad");
    assert!(code == 1 && found.contains("it is not shown"), "{found}");

    set_up.make_secret("token", set_up.discord.bot_token()).await;
    let token = set_up.of("token");
    let bot = |channel: &'static str| {
        [
            ("DISCORD_WEBHOOK_URL_SECRET_ID", ""),
            ("DISCORD_TOKEN_SECRET_ID", &*token),
            ("DISCORD_CHANNEL_ID", channel),
        ]
    };
    let (checks, code) = set_up.checks(&bot(set_up.discord.channel_id()), &["--only", "discord"]);
    checks.one("discord", "bot", "good");
    assert_eq!((code, checks.one("discord", "channel", "good").0), (0, "#ops"));
    let (checks, code) = set_up.checks(&bot("42"), &["--only", "discord"]);
    assert_eq!(
        (code, checks.one("discord", "channel", "bad").0),
        (1, "Discord answered 404: Unknown Channel")
    );
    assert_eq!(set_up.discord.messages(), []);
}
