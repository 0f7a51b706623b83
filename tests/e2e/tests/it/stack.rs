//! The test harness with the local stack.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use mongodb::bson::{Document, doc};
use quiz_stack::{Delivery, FunctionSpec, MappingSpec, Stack, eventually, insert, unique};
use serde_json::json;

const SOON: Duration = Duration::from_secs(30);

fn bodies(messages: &[Message]) -> Vec<&str> {
    let mut bodies: Vec<&str> = messages.iter().filter_map(Message::body).collect();
    bodies.sort_unstable();
    bodies
}

fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix} {number:02}")).collect()
}

/// An executable that speaks the Lambda runtime API; the file exists as long as the directory.
fn bootstrap(stack: &Stack) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bootstrap");
    let python =
        stack.python().map_or("/usr/bin/env python3".to_owned(), |python| python.display().to_string());
    std::fs::write(&path, format!("#!{python}\n{}", include_str!("fixtures/bootstrap.py"))).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    (dir, path)
}

async fn deploy(stack: &Stack, name: &str, environment: &[(&str, &str)], timeout: Duration) {
    let (_dir, binary) = bootstrap(stack);
    let spec = FunctionSpec { name, binary: &binary, environment, timeout, memory_mb: 128 };
    stack.deploy_function(&spec).await.unwrap();
}

#[tokio::test]
async fn a_second_get_is_the_same_stack() {
    let first = Stack::get().await.unwrap();
    let second = Stack::get().await.unwrap();
    assert!(std::ptr::eq(first, second));
}

#[test]
fn names_do_not_repeat_and_are_short() {
    let names: std::collections::HashSet<String> = (0..1000).map(|_| unique("reports")).collect();
    assert_eq!(names.len(), 1000);
    assert!(names.iter().all(|name| name.len() <= 40), "{names:?}");
}

#[tokio::test]
async fn topic_delivers_raw_and_in_envelope() {
    let stack = Stack::get().await.unwrap();
    let name = unique("fanout");
    let raw = stack.create_queue_pair(&format!("{name}-raw"), 3, SOON).await.unwrap();
    let wrapped = stack.create_queue_pair(&format!("{name}-wrapped"), 3, SOON).await.unwrap();
    let topic = stack.create_topic(&name).await.unwrap();
    stack.subscribe(&topic, &raw.arn, Delivery::Raw).await.unwrap();
    stack.subscribe(&topic, &wrapped.arn, Delivery::Envelope).await.unwrap();

    let id = stack.publish(&topic, "single", &[("type", "session.sync")]).await.unwrap();
    let sent = numbered("event", 23);
    stack.publish_all(&topic, &sent, &[("type", "quiz.completed")]).await.unwrap();

    let messages = stack.wait_for_messages(&raw.url, 24, SOON).await.unwrap();
    assert_eq!(bodies(&messages)[..23], sent);
    let single = messages.iter().find(|message| message.body() == Some("single")).unwrap();
    let attributes = single.message_attributes().unwrap();
    assert_eq!(attributes["type"].string_value(), Some("session.sync"));
    assert!(single.attributes().unwrap().contains_key(&MessageSystemAttributeName::SentTimestamp));

    let messages = stack.wait_for_messages(&wrapped.url, 24, SOON).await.unwrap();
    let envelope = messages.iter().find(|message| message.body().unwrap().contains(&id)).unwrap();
    let envelope: serde_json::Value = serde_json::from_str(envelope.body().unwrap()).unwrap();
    assert_eq!((&envelope["Type"], &envelope["Message"]), (&json!("Notification"), &json!("single")));
    assert!(stack.drain(&raw.url).await.unwrap().is_empty());
}

#[tokio::test]
async fn message_over_receive_limit_becomes_dead_letter() {
    let stack = Stack::get().await.unwrap();
    let queue = stack.create_queue_pair(&unique("redrive"), 2, Duration::from_secs(30)).await.unwrap();
    let topic = stack.create_topic(&unique("redrive")).await.unwrap();
    stack.subscribe(&topic, &queue.arn, Delivery::Raw).await.unwrap();
    stack.publish(&topic, "stubborn", &[]).await.unwrap();

    let sqs = stack.sqs();
    let mut receipts = 0;
    eventually("the dead letter", SOON, async || {
        // ministack moves messages to the dead-letter queue during a receive
        let received = sqs.receive_message().queue_url(&queue.url).send().await?;
        for message in received.messages() {
            receipts += 1;
            let handle = message.receipt_handle().unwrap();
            let back = sqs.change_message_visibility().queue_url(&queue.url).receipt_handle(handle);
            back.visibility_timeout(0).send().await?;
        }
        let depth = stack.queue_depth(&queue.dlq_url).await?;
        Ok((depth.visible == 1).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(receipts, 2);
    assert_eq!(bodies(&stack.drain(&queue.dlq_url).await.unwrap()), ["stubborn"]);
    stack.wait_until_empty(&queue.url, SOON).await.unwrap();
}

#[tokio::test]
async fn missing_messages_error_shows_received_ones() {
    let stack = Stack::get().await.unwrap();
    let queue = stack.create_queue_pair(&unique("few"), 3, SOON).await.unwrap();
    stack.send_all(&queue.url, &numbered("only", 1)).await.unwrap();
    let error = stack.wait_for_messages(&queue.url, 2, Duration::from_millis(500)).await.unwrap_err();
    assert!(error.to_string().contains("only 00"), "{error}");
}

#[tokio::test]
async fn documents_are_inserted_and_found() {
    let stack = Stack::get().await.unwrap();
    let database = stack.mongodb().await.unwrap().database(&unique("quiz"));
    let documents: Vec<Document> =
        (0..1200).map(|number| doc! {"_id": format!("{number:024x}"), "quiz_id": number % 3}).collect();
    insert(&database, "sessions", documents).await.unwrap();
    let sessions = database.collection::<Document>("sessions");
    assert_eq!(sessions.count_documents(doc! {"quiz_id": 1}).await.unwrap(), 400);
    let one = sessions.find_one(doc! {"_id": format!("{:024x}", 7)}).await.unwrap().unwrap();
    assert_eq!(one.get_i32("quiz_id").unwrap(), 1);
    database.drop().await.unwrap();
}

#[tokio::test]
async fn tables_have_keys_and_indexes_of_reporting_engine() {
    let stack = Stack::get().await.unwrap();
    let dynamodb = stack.dynamodb();
    let [v1, v2, forms] = ["reports", "reports-v2", "forms"].map(|prefix| format!("quiz_{}", unique(prefix)));
    stack.create_reports_table(&v1).await.unwrap();
    stack.create_reports_v2_table(&v2).await.unwrap();
    stack.create_form_responses_table(&forms).await.unwrap();

    let cases = [
        (&v1, "gsi_user_id", ["user_id-section", "user_id", "school"], ("user_id", None)),
        (&v2, "user_id_index", ["user_id", "school", "x"], ("user_id", None)),
        (&v2, "school_session_index", ["user_id", "school", "y"], ("school", Some("session_id"))),
    ];
    for (table, index, names, (partition, sort)) in cases {
        let session = format!("session-{index}");
        let mut put =
            dynamodb.put_item().table_name(table).item("session_id", AttributeValue::S(session.clone()));
        for name in names {
            put = put.item(name, AttributeValue::S(format!("{index}-{name}")));
        }
        put.send().await.unwrap();
        let mut query = dynamodb
            .query()
            .table_name(table)
            .index_name(index)
            .expression_attribute_names("#p", partition)
            .expression_attribute_values(":p", AttributeValue::S(format!("{index}-{partition}")));
        let mut condition = String::from("#p = :p");
        if let Some(sort) = sort {
            condition.push_str(" AND #s = :s");
            query = query
                .expression_attribute_names("#s", sort)
                .expression_attribute_values(":s", AttributeValue::S(session.clone()));
        }
        let found = query.key_condition_expression(condition).send().await.unwrap();
        assert_eq!(found.items().len(), 1, "{index}");
        assert_eq!(found.items()[0]["session_id"], AttributeValue::S(session));
        assert_eq!(found.items()[0].len(), names.len() + 1, "the index projects everything");
    }
    let put = dynamodb.put_item().table_name(&forms).item("session_id", AttributeValue::S("s".into()));
    put.item("user_id-question_position_index", AttributeValue::S("x".into())).send().await.unwrap();
}

#[tokio::test]
async fn bigquery_rows_keep_their_types() {
    let stack = Stack::get().await.unwrap();
    let dataset = unique("reports").replace('-', "_");
    stack.bigquery(&dataset).await.unwrap();
    let bigquery = stack.bigquery(&dataset).await.unwrap();
    let columns = "user_id STRING, rank INT64, mark FLOAT64, passed BOOL, day DATE, at TIMESTAMP";
    bigquery
        .execute(&format!("CREATE TABLE marks ({columns}) PARTITION BY day CLUSTER BY user_id"))
        .await
        .unwrap();
    let rows = "('a', 1, 2.5, TRUE, DATE '2026-01-02', TIMESTAMP '2026-01-02 03:04:05.5+00'), \
                ('b', NULL, NULL, NULL, NULL, NULL)";
    bigquery.execute(&format!("INSERT marks VALUES {rows}")).await.unwrap();
    let read = bigquery
        .query("SELECT *, [rank] AS ranks, STRUCT(mark AS mark) AS s FROM marks WHERE rank = 1 ORDER BY 1")
        .await
        .unwrap();
    let wanted = json!({
        "user_id": "a", "rank": 1, "mark": 2.5, "passed": true, "day": "2026-01-02", "at": "1767323045.5",
        "ranks": [1], "s": {"mark": 2.5},
    });
    assert_eq!(json!(read), json!([wanted]));
    let read = bigquery.query("SELECT rank, mark, at FROM marks WHERE user_id = 'b'").await.unwrap();
    assert_eq!(json!(read), json!([{"rank": null, "mark": null, "at": null}]));

    assert_eq!(bigquery.tables().await.unwrap(), ["marks"]);
    let table = bigquery.table("marks").await.unwrap().unwrap();
    assert_eq!(table["timePartitioning"]["field"], "day");
    assert_eq!(bigquery.table("missing").await.unwrap(), None);
    let error = format!("{:#}", bigquery.query("SELECT * FROM missing").await.unwrap_err());
    assert!(error.contains("404") && error.contains("missing was not found"), "{error}");
    let jobs = bigquery.jobs().await.unwrap();
    let own = |job: &&serde_json::Value| {
        job["configuration"]["query"]["defaultDataset"]["datasetId"] == bigquery.dataset()
    };
    assert_eq!(jobs.iter().filter(own).count(), 5);
    if std::env::var_os("BIGQUERY_ENDPOINT").is_none() {
        assert!(stack.logs_dir().unwrap().join("local-bigquery.log").is_file());
    }
}

#[tokio::test]
async fn bigquery_reads_several_pages() {
    let stack = Stack::get().await.unwrap();
    let bigquery = stack.bigquery(&unique("pages").replace('-', "_")).await.unwrap();
    let sql = "SELECT n FROM UNNEST(GENERATE_ARRAY(1, 25000)) AS n ORDER BY n";
    let numbers: Vec<i64> =
        bigquery.query(sql).await.unwrap().iter().map(|row| row["n"].as_i64().unwrap()).collect();
    assert!(numbers.into_iter().eq(1..=25_000));
}

#[tokio::test]
async fn only_failed_message_of_batch_becomes_dead_letter() {
    let stack = Stack::get().await.unwrap();
    let name = unique("partial");
    let queue = stack.create_queue_pair(&name, 2, Duration::from_secs(1)).await.unwrap();
    deploy(stack, &name, &[("FAIL_ON", "04")], Duration::from_secs(20)).await;
    let mapping = MappingSpec {
        function: &name,
        queue_arn: &queue.arn,
        batch_size: 10,
        maximum_concurrency: None,
        enabled: false,
    };
    let uuid = stack.map_queue(&mapping).await.unwrap();
    stack.send_all(&queue.url, &numbered("message", 7)).await.unwrap();
    stack.enable_mapping(&uuid, true).await.unwrap();

    let dead = stack.wait_for_messages(&queue.dlq_url, 1, SOON).await.unwrap();
    assert_eq!(bodies(&dead), ["message 04"]);
    stack.wait_until_empty(&queue.url, SOON).await.unwrap();
    assert!(stack.drain(&queue.dlq_url).await.unwrap().is_empty());

    let logs = stack.function_logs(&name).await.unwrap();
    let batches: Vec<&str> = logs.lines().filter(|line| line.contains("records")).collect();
    assert_eq!(batches.len(), 2, "{logs}");
    assert!(batches[0].contains("7 records") && batches[1].contains("1 records"), "{logs}");
    assert!(batches[0].contains("SentTimestamp") && batches[0].contains("ApproximateReceiveCount"), "{logs}");
}

#[tokio::test]
async fn function_has_environment_and_reaches_stack() {
    let stack = Stack::get().await.unwrap();
    let name = unique("environment");
    deploy(stack, &name, &[("FAIL_ON", "never"), ("QUIZ_ENV", "test")], Duration::from_secs(20)).await;
    let environment = stack.invoke(&name, &json!({})).await.unwrap();
    assert_eq!(environment["QUIZ_ENV"], "test");
    assert_eq!(environment["AWS_REGION"], quiz_stack::REGION);
    assert_eq!(environment["AWS_ENDPOINT_URL"], stack.aws_endpoint());
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_NAME"], *name);
    if std::env::var_os("AWS_ENDPOINT_URL").is_none() {
        assert!(environment["HOME"].as_str().unwrap().contains("/stack/runs/"), "{environment}");
    }
}

#[tokio::test]
async fn a_function_that_fails_shows_its_log() {
    let stack = Stack::get().await.unwrap();
    let name = unique("failing");
    deploy(stack, &name, &[], Duration::from_secs(20)).await;
    let records = json!({"Records": [{"messageId": "m", "body": "b", "attributes": {}}]});
    let error = stack.invoke(&name, &records).await.unwrap_err().to_string();
    assert!(error.contains("KeyError: 'FAIL_ON'"), "{error}");
    assert_eq!(stack.function_logs(&unique("never-ran")).await.unwrap(), "");
}
