//! Snapshots on the DynamoDB server of the local stack, directly and through a gate that throttles and refuses.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use quiz_dynamo::{DynamoSnapshots, WriteLimits};
use quiz_pipeline::ports::{SnapshotStore, StoreError};
use quiz_stack::{Action, Gate, GateRequest, Stack, unique};
use quiz_suites::snapshots::snapshot_store;
use serde_json::json;

use crate::common::{client, quick};

const CHUNK: usize = 350 * 1024;
const QUIZ: &str = "6715f621e1eb083bfa9b56cc";

type Item = HashMap<String, AttributeValue>;

/// A new table, with a client that reads and damages its items.
struct Table {
    endpoint: &'static str,
    client: Client,
    name: String,
    store: DynamoSnapshots,
}

impl Table {
    async fn create() -> Self {
        let stack = Stack::get().await.unwrap();
        let name = unique("snapshots");
        stack.create_snapshots_table(&name).await.unwrap();
        let store = DynamoSnapshots::new(stack.dynamodb(), name.clone(), WriteLimits::default());
        Self { endpoint: stack.aws_endpoint(), client: stack.dynamodb(), name, store }
    }

    /// All items in the order of their keys: the head is the first.
    async fn items(&self) -> Vec<Item> {
        let scan = self.client.scan().table_name(&self.name).into_paginator().items().send();
        let mut items: Vec<Item> = scan.collect::<Result<_, _>>().await.unwrap();
        items.sort_by_key(|item| item["snapshot_id"].as_s().unwrap().clone());
        items
    }

    async fn put(&self, item: Item) {
        self.client.put_item().table_name(&self.name).set_item(Some(item)).send().await.unwrap();
    }

    async fn delete(&self, item: &Item) {
        let key = item["snapshot_id"].clone();
        let delete = self.client.delete_item().table_name(&self.name).key("snapshot_id", key);
        delete.send().await.unwrap();
    }

    /// Makes a store that reaches the table through a gate with this rule.
    fn gated_store(
        &self,
        rule: impl Fn(&GateRequest) -> Action + Send + Sync + 'static,
    ) -> (Gate, DynamoSnapshots) {
        let gate = Gate::start(self.endpoint, rule).unwrap();
        let store = DynamoSnapshots::new(client(gate.url()), self.name.clone(), quick());
        (gate, store)
    }
}

/// Makes a snapshot whose chunks differ.
fn snapshot(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at / CHUNK + at) % 251).unwrap()).collect()
}

#[tokio::test]
async fn table_passes_the_suite_of_its_port() {
    snapshot_store(&Table::create().await.store, &unique("quiz"), CHUNK).await;
}

#[tokio::test]
async fn snapshot_is_stored_in_expiring_chunks() {
    let table = Table::create().await;
    for (length, items) in [(0, 1), (CHUNK, 1), (CHUNK + 1, 2), (3 * CHUNK, 3)] {
        table.store.save(QUIZ, snapshot(length)).await.unwrap();
        let all = table.items().await;
        assert_eq!(all.len(), items, "{length} bytes");
        let in_a_month = SystemTime::now() + Duration::from_hours(24 * 30);
        let in_a_month = in_a_month.duration_since(UNIX_EPOCH).unwrap().as_secs();
        for item in &all {
            assert!(item["bytes"].as_b().unwrap().as_ref().len() <= CHUNK);
            let expires: u64 = item["expires_at"].as_n().unwrap().parse().unwrap();
            assert!(in_a_month.abs_diff(expires) < 600, "{expires}");
            table.delete(item).await;
        }
    }
}

#[tokio::test]
async fn damaged_snapshot_is_not_loaded_until_saved_again() {
    let table = Table::create().await;
    let bytes = snapshot(3 * CHUNK);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |text: &str| AttributeValue::N(text.to_owned());
    // the item's number, the attribute, and its new value
    let damages: [(usize, &str, Option<AttributeValue>); 12] = [
        (0, "format", Some(number("2"))),
        (0, "format", None),
        (0, "length", Some(number("5"))),
        (0, "length", Some(number(&(2 * CHUNK).to_string()))),
        (0, "length", Some(number(&u64::MAX.to_string()))),
        (0, "length", Some(number("-1"))),
        (0, "digest", Some(text("no digest"))),
        (0, "digest", None),
        (0, "bytes", Some(AttributeValue::B(Blob::new("short")))),
        (1, "bytes", Some(AttributeValue::B(Blob::new(snapshot(CHUNK))))),
        (2, "bytes", Some(text("a text"))),
        (2, "bytes", None),
    ];
    for (at, attribute, damage) in damages {
        table.store.save(QUIZ, bytes.clone()).await.unwrap();
        assert!(table.store.load(QUIZ).await.unwrap().as_ref() == Some(&bytes));
        let mut item = table.items().await.swap_remove(at);
        let case = format!("{attribute} of item {at}: {damage:?}").chars().take(80).collect::<String>();
        match damage {
            Some(value) => item.insert(attribute.to_owned(), value),
            None => item.remove(attribute),
        };
        table.put(item).await;
        assert_eq!(table.store.load(QUIZ).await.unwrap(), None, "{case}");
    }
    for at in 0..3 {
        table.store.save(QUIZ, bytes.clone()).await.unwrap();
        table.delete(&table.items().await[at]).await;
        assert_eq!(table.store.load(QUIZ).await.unwrap(), None, "without item {at}");
    }
}

#[tokio::test]
async fn failed_save_keeps_the_previous_snapshot() {
    let table = Table::create().await;
    let before = snapshot(2 * CHUNK);
    table.store.save(QUIZ, before.clone()).await.unwrap();
    for written in 0..4 {
        let (_gate, store) = table.gated_store(move |request| {
            if request.index < written { Action::Forward } else { error("AccessDeniedException", "not you") }
        });
        let mut after = snapshot(4 * CHUNK);
        after.reverse();
        store.save(QUIZ, after).await.unwrap_err();
        assert!(table.store.load(QUIZ).await.unwrap().as_ref() == Some(&before), "after {written} items");
    }
}

fn error(code: &str, message: &str) -> Action {
    let body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": message});
    Action::Reply { status: 400, content_type: "application/x-amz-json-1.0", body: body.to_string() }
}

fn throttled() -> Action {
    error("ProvisionedThroughputExceededException", "too fast")
}

#[tokio::test]
async fn throttled_item_is_retried_until_written() {
    let table = Table::create().await;
    let bytes = snapshot(3 * CHUNK);
    let (gate, store) = table.gated_store(|request| match request.index {
        0 | 1 | 4 => throttled(),
        2 => error("InternalServerError", "oh"),
        _ => Action::Forward,
    });
    store.save(QUIZ, bytes.clone()).await.unwrap();
    assert_eq!(gate.requests().len(), 3 + 4, "the SDK did not retry");
    assert!(table.store.load(QUIZ).await.unwrap() == Some(bytes));
}

#[tokio::test]
async fn permanent_throttling_is_unavailable() {
    let table = Table::create().await;
    let (gate, store) = table.gated_store(|_| throttled());
    let error = store.save(QUIZ, snapshot(9)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        format!(
            "could not write a snapshot to table {}: 6 attempts failed in a row: \
             ProvisionedThroughputExceededException: too fast",
            table.name
        )
    );
    assert_eq!(gate.requests().len(), 6);
    let error = store.load(QUIZ).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn permanent_error_is_refused_without_retry() {
    let table = Table::create().await;
    let cases = [
        ("ResourceNotFoundException", "Requested resource not found", "there is no such table"),
        (
            "AccessDeniedException",
            "not authorized",
            "access is denied: allow the role dynamodb:GetItem and dynamodb:PutItem on the table",
        ),
        (
            "ValidationException",
            "The provided key element does not match the schema",
            "its key must be snapshot_id, a string (The provided",
        ),
        ("ValidationException", "One or more parameter values were invalid", "One or more"),
    ];
    for (code, message, expected) in cases {
        let (gate, store) = table.gated_store(move |_| error(code, message));
        let save = store.save(QUIZ, snapshot(9)).await.unwrap_err();
        let load = store.load(QUIZ).await.unwrap_err();
        for (error, action) in [(save, "write a snapshot to"), (load, "read a snapshot of")] {
            assert!(matches!(error, StoreError::Refused { .. }), "{error}");
            let start = format!("cannot {action} table {}: {expected}", table.name);
            assert!(error.to_string().starts_with(&start), "{error}");
        }
        assert_eq!(gate.requests().len(), 2, "{code}");
    }
}

#[tokio::test]
async fn missing_table_is_named() {
    let missing = unique("missing");
    let client = Stack::get().await.unwrap().dynamodb();
    let store = DynamoSnapshots::new(client, missing.clone(), quick());
    let save = store.save(QUIZ, snapshot(9)).await.unwrap_err();
    let load = store.load(QUIZ).await.unwrap_err();
    for error in [save, load] {
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        assert!(error.to_string().contains(&format!("table {missing}: there is no such table")), "{error}");
    }
}
