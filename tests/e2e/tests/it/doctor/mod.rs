//! `quiz-etl doctor` on the stack: a correct set-up is good, and each planted fault comes with its fix.

mod set_up;
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::QueueAttributeName;
use quiz_stack::{Action, AwsKey, BIGQUERY_PROJECT, Delivery, Federation, service_account_key, token_issuer};
use serde_json::Value;
use set_up::SetUp;

#[tokio::test(flavor = "multi_thread")]
async fn correct_set_up_is_good() {
    let set_up = SetUp::correct().await;
    let output = set_up.doctor(&[], &[]);
    set_up.assert_silent_of_secrets(&output);
    let shown = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let shown = shown.replace(&set_up.name.replace('-', "_"), "DATASET").replace(&set_up.name, "NAME");
    let version = shown.split("server: MongoDB ").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    insta::assert_snapshot!(shown.replace(version, "VERSION"));
    assert_eq!(set_up.discord.messages(), [], "doctor posts nothing");
    assert_eq!(set_up.discord.violations(), Vec::<String>::new());
    let tables = set_up.stack.bigquery(&set_up.name.replace('-', "_")).await.unwrap().tables().await.unwrap();
    assert!(tables.is_empty(), "doctor creates nothing: {tables:?}");

    let (checks, code) = set_up.checks(&[], &["--only", "mongodb", "--only", "sns"]);
    assert_eq!(code, 0);
    let groups: Vec<&str> = checks.0.iter().map(|check| check["group"].as_str().unwrap()).collect();
    assert!(groups.iter().all(|group| ["mongodb", "sns"].contains(group)), "{groups:?}");
    assert!(groups.contains(&"mongodb") && groups.contains(&"sns"));
    let wrong = set_up.doctor(&[], &["--only", "mongo"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn unconfigured_functions_are_skipped() {
    let set_up = SetUp::correct().await;
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
    let (found, fix) = checks.one("configuration", "sync-reports", "bad");
    assert!(
        found.contains("MONGODB_URI or MONGODB_URI_SECRET_ID must be set; REPORT_FORMATS must be"),
        "{found}"
    );
    assert!(fix.contains("functions/sync-reports/README.md"), "{fix}");
    checks.one("mongodb", "server", "skipped");
    checks.one("dynamodb", "-form_question_responses", "good");
    checks.one("discord", "webhook", "good");
}

#[tokio::test(flavor = "multi_thread")]
async fn faulty_tables_come_with_fixes() {
    let set_up = SetUp::correct().await;
    set_up.make_table("no-index", "session_id", Some("user_id-section")).await;
    set_up.make_table("other-keys", "id", None).await;
    let [no_index, other_keys, absent] =
        ["no-index", "other-keys", "absent"].map(|suffix| set_up.resource_name(suffix));
    let changed =
        [("REPORTS_TABLE", &*no_index), ("SYNC_STATE_TABLE", &other_keys), ("NOTICE_MEMORY_TABLE", &absent)];
    let (checks, code) = set_up.checks(&changed, &[]);
    assert_eq!(code, 1);
    let (found, fix) = checks.one("dynamodb", "-no-index index gsi_user_id", "bad");
    assert_eq!(found, "missing");
    assert!(fix.contains(&format!("aws dynamodb update-table --table-name {no_index} ")), "{fix}");
    let (found, fix) = checks.one("dynamodb", "-other-keys", "bad");
    assert_eq!(found, "the keys are id (S); they must be session_id (S) and sink (S)");
    assert!(fix.contains("SYNC_STATE_TABLE"), "{fix}");
    let (_, fix) = checks.one("dynamodb", "-absent", "bad");
    assert!(fix.contains(&format!("aws dynamodb create-table --table-name {absent} ")), "{fix}");
    let (found, fix) = checks.one("dynamodb", "-no-index recovery", "warning");
    assert_eq!(found, "point-in-time recovery is off");
    assert!(fix.contains("update-continuous-backups"), "{fix}");
    checks.one("dynamodb", "-absent expiry", "skipped");
    assert_eq!(checks.bad().len(), 3, "{:?}", checks.bad());
}

#[tokio::test(flavor = "multi_thread")]
async fn faulty_topics_and_queues_come_with_fixes() {
    let set_up = SetUp::correct().await;
    let no_redrive =
        set_up.stack.sqs().create_queue().queue_name(set_up.resource_name("bare")).send().await.unwrap();
    let no_redrive = no_redrive.queue_url.unwrap();
    let attributes = set_up.stack.sqs().get_queue_attributes().queue_url(&no_redrive);
    let attributes = attributes.attribute_names(QueueAttributeName::QueueArn).send().await.unwrap();
    let bare = attributes.attributes.unwrap()[&QueueAttributeName::QueueArn].clone();
    let topic = set_up.stack.create_topic(&set_up.resource_name("bare")).await.unwrap();
    set_up.stack.subscribe(&topic, &bare, Delivery::Envelope).await.unwrap();
    let parked = set_up.queue("parked").await;
    set_up.stack.send_all(&parked.dlq_url, &["an event".to_owned(), "another".to_owned()]).await.unwrap();
    set_up.set(&parked.dlq_url, QueueAttributeName::MessageRetentionPeriod, "86400").await;
    let notices = set_up.topic("parked", &[&parked]).await;
    let (checks, code) = set_up.checks(&[("EVENTS_TOPIC_ARN", &topic), ("NOTICES_TOPIC_ARN", &notices)], &[]);
    assert_eq!(code, 1);
    let (found, fix) = checks.one("sns", "events topic", "warning");
    assert!(
        found.contains("reports and warehouse need one each") && fix.contains("aws sns subscribe"),
        "{fix}"
    );
    let (found, fix) = checks.one("sns", "-bare", "warning");
    assert!(found.contains("in envelopes") && fix.contains("--attribute-name RedrivePolicy"), "{fix}");
    let (_, fix) = checks.one("sqs", "-bare redrive", "bad");
    assert!(fix.contains("create a dead-letter queue"), "{fix}");
    let (found, fix) = checks.one("sqs", "-bare policy", "bad");
    assert!(found.contains("does not let") && fix.contains("set-queue-attributes"), "{fix}");
    checks.one("sqs", "-bare visibility timeout", "warning");
    let (found, fix) = checks.one("sqs", "-parked-dlq messages", "warning");
    assert_eq!((found, fix), ("2 messages", "quiz-etl dlq list"));
    let (found, _) = checks.one("sqs", "-parked-dlq retention", "bad");
    assert!(found.contains("keeps messages for 24 h, its source queue for 4 d"), "{found}");
    let (found, _) = checks.one("sqs", "-bare function", "bad");
    assert_eq!(found, "no function receives its messages");
    assert_eq!(checks.bad().len(), 5, "the other queue has no function either: {:?}", checks.bad());

    // the suggested policy works
    let command = checks.one("sqs", "-bare policy", "bad").1;
    let (_, attributes) = command.split_once("--attributes '").unwrap();
    let attributes: Value = serde_json::from_str(attributes.trim_end_matches('\'')).unwrap();
    set_up.set(&no_redrive, QueueAttributeName::Policy, attributes["Policy"].as_str().unwrap()).await;
    let (checks, _) = set_up.checks(&[("EVENTS_TOPIC_ARN", &topic)], &["--only", "sqs"]);
    checks.one("sqs", "-bare policy", "good");

    let elsewhere = topic.replace("-bare", "-absent");
    let (checks, code) = set_up.checks(&[("EVENTS_TOPIC_ARN", &elsewhere)], &["--only", "sns"]);
    let (_, fix) = checks.one("sns", "events topic", "bad");
    assert!(code == 1 && fix.contains("EVENTS_TOPIC_ARN"), "{fix}");
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_mapping_is_bad() {
    let set_up = SetUp::correct().await;
    let mapping =
        set_up.stack.mapping_of(&format!("{}:live", set_up.resource_name("sync-reports"))).await.unwrap();
    set_up.stack.enable_mapping(&mapping, false).await.unwrap();
    let (checks, code) = set_up.checks(&[], &["--only", "sqs"]);
    assert_eq!((code, checks.bad().len()), (1, 1), "{:?}", checks.bad());
    let (found, fix) = checks.one("sqs", "-reports function", "bad");
    let paused = format!("the mapping to {}:live is disabled", set_up.resource_name("sync-reports"));
    assert!(found.starts_with(&paused), "{found}");
    assert!(fix.contains("ConsumeEvents") && fix.ends_with(&format!("--uuid {mapping} --enabled")), "{fix}");
    checks.one("sqs", "-warehouse function", "good");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_index_comes_with_its_command() {
    let set_up = SetUp::correct().await;
    let other = format!("{}-bare", set_up.name);
    set_up.fill_database(&other, false).await;
    let (checks, code) = set_up.checks(&[("MONGODB_DATABASE", &other)], &[]);
    assert_eq!(code, 1);
    let (_, fix) = checks.one("mongodb", "index on sessions.{quiz_id: 1, user_id: 1}", "bad");
    assert_eq!(fix, "db.sessions.createIndex({quiz_id: 1, user_id: 1})");
    let (_, fix) = checks.one("mongodb", "index on questions.{question_set_id: 1}", "bad");
    assert_eq!(fix, "db.questions.createIndex({question_set_id: 1})");
    let (_, fix) = checks.one("mongodb", "index on sessions.{updated_at: 1, quiz_id: 1}", "warning");
    assert_eq!(fix, "db.sessions.createIndex({updated_at: 1, quiz_id: 1})");
    assert_eq!(checks.bad().len(), 2, "{:?}", checks.bad());

    let (checks, _) = set_up.checks(&[("MONGODB_DATABASE", "nothing-here")], &["--only", "mongodb"]);
    let (_, fix) = checks.one("mongodb", "sessions", "bad");
    assert!(fix.contains("MONGODB_DATABASE (nothing-here)"), "{fix}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_server_is_bad_in_time() {
    let set_up = SetUp::correct().await;
    // accepts connections and sends nothing
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let silent = silent.local_addr().unwrap();
    let closed = "127.0.0.1:1";
    for (address, timeout) in [(silent.to_string(), "2"), (closed.to_owned(), "2")] {
        let uri = format!("mongodb://etl:hunter2@{address}/?authSource=admin");
        let started = Instant::now();
        let (checks, code) =
            set_up.checks(&[("MONGODB_URI_SECRET_ID", ""), ("MONGODB_URI", &uri)], &["--timeout", timeout]);
        assert!(started.elapsed() < Duration::from_mins(1), "{:?}", started.elapsed());
        assert_eq!(code, 1);
        let (found, fix) = checks.one("mongodb", "server", "bad");
        assert!(found.contains("answer") && fix.contains("host and port"), "{found} {fix}");
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
async fn checks_that_need_aws_are_skipped_without() {
    let set_up = SetUp::correct().await;
    let (checks, code) = set_up.checks(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")], &[]);
    assert_eq!((code, checks.bad()), (1, vec!["aws credentials".to_owned()]));
    let (_, fix) = checks.one("aws", "credentials", "bad");
    assert!(fix.contains("AWS_ENDPOINT_URL"), "{fix}");
    for (group, name) in [("dynamodb", "tables"), ("sns", "topics"), ("sqs", "queues"), ("mongodb", "server")]
    {
        checks.one(group, name, "skipped");
    }
    checks.one("bigquery", "dataset", "good");

    // a bad dependency of the chosen group shows; other bad checks do not
    let unrelated = [("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("DISCORD_TOKEN_SECRET_ID", "both")];
    let (checks, code) = set_up.checks(&unrelated, &["--only", "bigquery"]);
    assert_eq!((code, checks.bad()), (0, Vec::new()));
    let (checks, code) =
        set_up.checks(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")], &["--only", "dynamodb"]);
    assert_eq!((code, checks.bad()), (1, vec!["aws credentials".to_owned()]));
    assert_eq!(checks.0.len(), 2, "{checks:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn faulty_warehouse_comes_with_fixes() {
    let set_up = SetUp::correct().await;
    let (checks, code) = set_up.checks(&[("BIGQUERY_DATASET", "absent")], &[]);
    assert_eq!((code, checks.bad()), (1, vec!["bigquery dataset".to_owned()]));
    let (_, fix) = checks.one("bigquery", "dataset", "bad");
    assert_eq!(fix, format!("bq --location=US mk --dataset {BIGQUERY_PROJECT}:absent"));
    checks.one("bigquery", "jobs", "good");

    let dataset = format!("{}_other", set_up.name.replace('-', "_"));
    let bigquery = set_up.stack.bigquery(&dataset).await.unwrap();
    bigquery
        .execute("CREATE TABLE test_responses (session_id STRING, rank STRING, mine STRING)")
        .await
        .unwrap();
    let older = "CREATE TABLE all_responses_question_level (mine STRING, session_id STRING)";
    bigquery.execute(older).await.unwrap();
    let changed = [("BIGQUERY_DATASET", &*dataset), ("BIGQUERY_LOCATION", "asia-south1")];
    let (checks, code) = set_up.checks(&changed, &["--only", "bigquery"]);
    assert_eq!(code, 1);
    let (_, fix) = checks.one("bigquery", "dataset", "bad");
    assert_eq!(fix, "set BIGQUERY_LOCATION to US");
    let (found, fix) = checks.one("bigquery", "test_responses", "bad");
    assert!(
        found.starts_with("column rank is STRING, which cannot hold INT64; it has no partitions: "),
        "{found}"
    );
    assert!(found.contains("; the next sync adds user_id, section, "), "{found}");
    let table = format!("{BIGQUERY_PROJECT}.{dataset}.test_responses");
    assert_eq!(fix, format!("ALTER TABLE `{table}` RENAME COLUMN `rank` TO `rank_old`"));
    let (found, fix) = checks.one("bigquery", "all_responses_question_level", "warning");
    assert!(found.contains("each sync bills the whole table"), "{found}");
    assert!(fix.ends_with("docs/WAREHOUSE.md#tables-that-exist-already"), "{fix}");
    checks.one("bigquery", "all_responses_form_level", "good");

    set_up.make_secret("key", r#"{"type": "service_account", "private_key": "hunter2"}"#).await;
    let key = set_up.resource_name("key");
    let (checks, _) = set_up.checks(&[("BIGQUERY_CREDENTIALS_SECRET_ID", &key)], &["--only", "bigquery"]);
    let (found, _) = checks.one("bigquery", "credentials", "bad");
    assert!(found.contains("lacks fields of a service account key"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_show_kind_and_principal() {
    let set_up = SetUp::correct().await;
    let [id, secret] =
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| set_up.environment[name].clone());
    let google = Federation::start(AwsKey { id, secret, session_token: None }).unwrap();
    let credentials = |secret: &str| {
        let variable = ("BIGQUERY_CREDENTIALS_SECRET_ID", &*set_up.resource_name(secret));
        set_up.checks(&[variable], &["--only", "bigquery"]).0
    };
    set_up.make_secret("configuration", &google.configuration(true).to_string()).await;
    let checks = credentials("configuration");
    let (found, _) = checks.one("bigquery", "credentials", "good");
    assert_eq!(found, "no key: the AWS role through quiz-etl/aws-lambda, as etl@p.iam.gserviceaccount.com");
    checks.one("bigquery", "dataset", "good");

    let token = serde_json::json!({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"});
    let issuer = token_issuer(200, &token).unwrap();
    set_up.make_secret("usable-key", &service_account_key(issuer.url()).unwrap().to_string()).await;
    let checks = credentials("usable-key");
    let (found, _) = checks.one("bigquery", "credentials", "good");
    assert_eq!(found, "the key of service account etl@p.iam.gserviceaccount.com");

    let condition = serde_json::json!({"error": "unauthorized_client",
        "error_description": "The given credential is rejected by the attribute condition."});
    let refusal =
        Action::Reply { status: 401, content_type: "application/json", body: condition.to_string() };
    google.set_fault(Some(("/v1/token", refusal)));
    let checks = credentials("configuration");
    let (found, fix) = checks.one("bigquery", "credentials", "bad");
    assert!(found.starts_with("no key: the AWS role through quiz-etl/aws-lambda, as etl@p"), "{found}");
    assert!(
        found.ends_with("let the attribute condition of provider quiz-etl/aws-lambda admit this AWS role"),
        "{found}"
    );
    assert!(fix.contains("docs/DEPLOY.md, step 2"), "{fix}");
}

#[tokio::test(flavor = "multi_thread")]
async fn faulty_secrets_and_discord_come_with_fixes() {
    let set_up = SetUp::correct().await;
    let absent = set_up.resource_name("absent");
    let (checks, code) = set_up.checks(&[("MONGODB_URI_SECRET_ID", &absent)], &[]);
    assert_eq!((code, checks.bad()), (1, vec!["secrets MONGODB_URI_SECRET_ID".to_owned()]));
    let (found, fix) = checks.one("secrets", "MONGODB_URI_SECRET_ID", "bad");
    assert_eq!(found, format!("this account and region have no secret {absent}"));
    assert!(fix.contains(&format!("create-secret --name {absent} ")), "{fix}");
    checks.one("mongodb", "server", "skipped");

    let wrong = set_up.discord.webhook_url().replace("stub-token", "hunter2");
    set_up.make_secret("wrong-webhook", &wrong).await;
    let id = set_up.resource_name("wrong-webhook");
    let (checks, code) = set_up.checks(&[("DISCORD_WEBHOOK_URL_SECRET_ID", &id)], &[]);
    assert_eq!((code, checks.bad()), (1, vec!["discord webhook".to_owned()]));
    let (found, fix) = checks.one("discord", "webhook", "bad");
    assert_eq!(found, "Discord answered 401: Invalid Webhook Token");
    assert!(fix.contains("DISCORD_WEBHOOK_URL_SECRET_ID"), "{fix}");

    // a secret in place of its id
    let (checks, code) = set_up.checks(&[("DISCORD_WEBHOOK_URL_SECRET_ID", &wrong)], &["--only", "discord"]);
    let (found, _) = checks.one("secrets", "DISCORD_WEBHOOK_URL_SECRET_ID", "bad");
    assert!(code == 1 && found.contains("is not shown"), "{found}");

    set_up.make_secret("token", set_up.discord.bot_token()).await;
    let token = set_up.resource_name("token");
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
