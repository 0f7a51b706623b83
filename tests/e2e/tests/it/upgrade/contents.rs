//! Everything that a deployment stores, in a form that two moments can be compared by.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use quiz_domain::reports::ContentDigest;
use quiz_domain::rows::WarehouseTable;
use quiz_e2e::warehouse::Row;
use quiz_e2e::{Item, TABLES};
use quiz_stack::{BigQuery, Deployment, Stack};
use serde_json::{Value, json};

/// The number of [`TABLES`] that hold reports.
const REPORT_TABLES: usize = 3;
/// What differs between two syncs of the same answers.
const STAMPS: [&str; 3] = ["inserted_at_timestamp", "inserted_at", "sync_generation"];
/// The attributes and columns of results that this version writes otherwise than the old version, on purpose. A release
/// that changes results names them here and in CHANGELOG.md, and the next change empties the list.
const CHANGED: [&str; 0] = [];

/// The items of each DynamoDB table and the rows of each BigQuery table, as sorted JSON texts.
#[derive(Debug, Default)]
pub struct Contents(BTreeMap<String, Vec<String>>);

impl Contents {
    pub async fn read(stack: &Stack, deployment: &Deployment) -> Self {
        let mut contents = Self::default();
        contents.add_tables(stack, deployment, &TABLES, |_| true).await;
        let bigquery = stack.bigquery(&deployment.variable("BIGQUERY_DATASET")).await.unwrap();
        for table in bigquery.tables().await.unwrap() {
            contents.add_rows(&bigquery, &table, |_| true).await;
        }
        contents
    }

    /// The report items. While both versions write the same content, an item also keeps its stamps.
    pub async fn read_reports(stack: &Stack, deployment: &Deployment) -> Self {
        let mut contents = Self::default();
        let is_kept = if CHANGED.is_empty() { |_: &str| true } else { is_content };
        contents.add_tables(stack, deployment, &TABLES[..REPORT_TABLES], is_kept).await;
        contents
    }

    /// The report items and the rows of results, without the time and the version that wrote them.
    pub async fn read_results(stack: &Stack, deployment: &Deployment) -> Self {
        let mut contents = Self::default();
        contents.add_tables(stack, deployment, &TABLES[..REPORT_TABLES], is_content).await;
        let bigquery = stack.bigquery(&deployment.variable("BIGQUERY_DATASET")).await.unwrap();
        for table in WarehouseTable::ALL {
            contents.add_rows(&bigquery, table.name(), is_content).await;
        }
        contents
    }

    async fn add_tables(
        &mut self,
        stack: &Stack,
        deployment: &Deployment,
        tables: &[&str],
        is_kept: fn(&str) -> bool,
    ) {
        for table in tables {
            let scan = stack.dynamodb().scan().table_name(deployment.table(table));
            let items = scan.into_paginator().items().send().collect::<Result<Vec<Item>, _>>().await.unwrap();
            let items = items.into_iter().map(|mut item| {
                item.retain(|name, _| is_kept(name));
                item_json(item).to_string()
            });
            self.add((*table).to_owned(), items.collect());
        }
    }

    async fn add_rows(&mut self, bigquery: &BigQuery, table: &str, is_kept: fn(&str) -> bool) {
        let rows: Vec<Row> = bigquery.query(&format!("SELECT * FROM `{table}`")).await.unwrap();
        let rows = rows.into_iter().map(|mut row| {
            row.retain(|name, _| is_kept(name));
            Value::Object(row).to_string()
        });
        self.add(format!("{table} in BigQuery"), rows.collect());
    }

    fn add(&mut self, table: String, mut items: Vec<String>) {
        items.sort();
        self.0.insert(table, items);
    }

    /// The number of items and rows.
    pub fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Fails with the first few differences, unless both moments are the same byte for byte.
    #[track_caller]
    pub fn assert_equals(&self, later: &Self, event: &str) {
        let mut differences = Vec::new();
        let tables: BTreeSet<&String> = self.0.keys().chain(later.0.keys()).collect();
        for table in tables {
            let items = |contents: &Self| contents.0.get(table).cloned().unwrap_or_default();
            let (before, after) = (items(self), items(later));
            if before == after {
                continue;
            }
            let counts = format!("{table}: {} before, {} after", before.len(), after.len());
            let only = |items: &[String], others: &[String], side: &str| {
                let missing = items.iter().filter(|item| others.binary_search(item).is_err());
                missing.take(2).map(|item| format!("only {side}: {item}")).collect::<Vec<_>>()
            };
            differences.push(counts);
            differences.extend(only(&before, &after, "before"));
            differences.extend(only(&after, &before, "after"));
        }
        assert!(differences.is_empty(), "{event} changes data\n{}", differences.join("\n"));
    }
}

/// Whether an attribute or column depends on the answers only, and is the same in both versions.
fn is_content(name: &str) -> bool {
    // the digest follows from the content
    let is_changed = !CHANGED.is_empty() && name == ContentDigest::ATTRIBUTE;
    !is_changed && !STAMPS.contains(&name) && !CHANGED.contains(&name)
}

fn item_json(item: Item) -> Value {
    Value::Object(item.into_iter().map(|(name, value)| (name, value_json(value))).collect())
}

/// The value with its type, because `1` and `"1"` are different bytes.
fn value_json(value: AttributeValue) -> Value {
    match value {
        AttributeValue::L(values) => Value::Array(values.into_iter().map(value_json).collect()),
        AttributeValue::M(fields) => item_json(fields),
        AttributeValue::N(number) => json!({"N": number}),
        scalar => Value::String(format!("{scalar:?}")),
    }
}
