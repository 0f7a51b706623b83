//! Finds and deletes what the tables hold of one student, for `quiz-etl erase`.
//!
//! - v1 and v2 have an index by user. An index lags behind its table, so it gives only the test sessions; the items are
//!   read from the table, consistently.
//! - Form responses have no such index, so the table is scanned.
//! - A snapshot has the outcomes of all attempts at a quiz, so the snapshots of the student's quizzes are deleted. The next
//!   sync reads the attempts again. Chunks of replaced snapshots have keys that only a scan finds.
//!
//! The caller makes sure that no run writes the student at the same time.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::{TryStreamExt, stream};
use quiz_domain::reports::ReportTable;
use quiz_pipeline::ports::{Fence, ReportReader, ReportStore, StoreError};

use crate::error::{TableRequirements, classify};
use crate::item::Item;
use crate::limits::WriteLimits;
use crate::names::TableNames;
use crate::snapshots::{KEY, quiz_of};
use crate::store::DynamoStore;

/// Deletions of snapshots at the same time.
const DELETES: usize = 8;
const FIND: &str = "find a student in";
const REMOVE: &str = "remove snapshots from";

/// The key of a report item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StudentItem {
    pub table: ReportTable,
    pub session_id: String,
    pub sort_key: String,
}

/// Finds and deletes the items of one student, and snapshots.
pub struct StudentEraser {
    store: DynamoStore,
    client: Client,
    tables: TableNames,
    snapshots: String,
}

impl StudentEraser {
    /// `snapshots` is the name of the table of snapshots. The SDK retries all requests but the deletion of items, which
    /// the store retries.
    #[must_use]
    pub fn new(client: Client, tables: TableNames, snapshots: String) -> Self {
        let store = DynamoStore::new(client.clone(), tables.clone(), WriteLimits::default());
        Self { store, client, tables, snapshots }
    }

    /// Finds the items of a user in all report tables.
    ///
    /// # Errors
    /// [`StoreError`] if a table or its index does not answer, or is missing.
    pub async fn items(&self, user_id: &str) -> Result<Vec<StudentItem>, StoreError> {
        let mut found = Vec::new();
        for table in ReportTable::ALL {
            let name = self.tables.of(table);
            found.extend(match index_by_user(table) {
                Some(index) => self.indexed(table, name, index, user_id).await?,
                None => self.scan(table, name, user_id).await?,
            });
        }
        Ok(found)
    }

    /// Deletes the items. A missing item is no error.
    ///
    /// # Errors
    /// [`StoreError`] if a table does not answer; some items may be deleted.
    pub async fn delete(&self, mut items: Vec<StudentItem>) -> Result<(), StoreError> {
        while let Some(StudentItem { table, session_id, .. }) = items.first().cloned() {
            let is_same = |item: &StudentItem| item.table == table && item.session_id == session_id;
            let (same, rest): (Vec<_>, Vec<_>) = items.into_iter().partition(is_same);
            let keys = same.into_iter().map(|item| item.sort_key).collect();
            self.store.delete(table, &session_id, keys, &Fence::open()).await?;
            items = rest;
        }
        Ok(())
    }

    /// Finds the keys of all snapshots of the quizzes, and of the chunks of replaced ones.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn snapshots(&self, quiz_ids: &BTreeSet<String>) -> Result<Vec<String>, StoreError> {
        if quiz_ids.is_empty() {
            return Ok(Vec::new());
        }
        let scan = self.client.scan().table_name(&self.snapshots).projection_expression(KEY);
        let items = scan.consistent_read(true).into_paginator().items().send();
        let items: Result<Vec<Item>, _> = items.collect().await;
        let items = items.map_err(|error| classify(&error, requirements(KEY)).into_error());
        let items = items.map_err(|error| error.into_store_error(FIND, &self.snapshots))?;
        let keys = items.iter().filter_map(|item| text(item, KEY));
        Ok(keys.filter(|key| quiz_ids.contains(quiz_of(key))).map(str::to_owned).collect())
    }

    /// Deletes snapshots by their keys.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer; some snapshots may be deleted.
    pub async fn delete_snapshots(&self, keys: Vec<String>) -> Result<(), StoreError> {
        let delete = async |key: String| {
            let delete = self.client.delete_item().table_name(&self.snapshots);
            let deleted = delete.key(KEY, AttributeValue::S(key)).send().await;
            let deleted = deleted.map_err(|error| classify(&error, requirements(KEY)).into_error());
            deleted.map(drop).map_err(|error| error.into_store_error(REMOVE, &self.snapshots))
        };
        stream::iter(keys.into_iter().map(Ok)).try_for_each_concurrent(DELETES, delete).await
    }

    /// The items of the user in a table with an index by user.
    async fn indexed(
        &self,
        table: ReportTable,
        name: &str,
        index: &str,
        user_id: &str,
    ) -> Result<Vec<StudentItem>, StoreError> {
        let mut found = Vec::new();
        for session_id in self.sessions(name, index, user_id).await? {
            let items = self.store.user_items(table, &session_id, user_id).await?;
            let keys = items.iter().filter_map(|item| item.get(table.sort_key())?.as_str());
            found.extend(keys.map(|sort_key| StudentItem {
                table,
                session_id: session_id.clone(),
                sort_key: sort_key.to_owned(),
            }));
        }
        Ok(found)
    }

    /// The test sessions in which the index has items of the user.
    async fn sessions(&self, name: &str, index: &str, user_id: &str) -> Result<BTreeSet<String>, StoreError> {
        let query = self.client.query().table_name(name).index_name(index);
        let items = query
            .key_condition_expression("user_id = :user")
            .expression_attribute_values(":user", AttributeValue::S(user_id.to_owned()))
            .projection_expression(ReportTable::PARTITION_KEY)
            .into_paginator()
            .items()
            .send();
        let items: Result<Vec<Item>, _> = items.collect().await;
        let items = items.map_err(|error| classify(&error, requirements(index)).into_error());
        let items = items.map_err(|error| error.into_store_error(FIND, name))?;
        Ok(items
            .iter()
            .filter_map(|item| text(item, ReportTable::PARTITION_KEY))
            .map(str::to_owned)
            .collect())
    }

    /// The items of the user in a table without an index by user.
    async fn scan(
        &self,
        table: ReportTable,
        name: &str,
        user_id: &str,
    ) -> Result<Vec<StudentItem>, StoreError> {
        let scan = self.client.scan().table_name(name).consistent_read(true);
        let items = scan
            .filter_expression(
                "user_id = :user OR (attribute_not_exists(user_id) AND begins_with(#sort, :prefix))",
            )
            .expression_attribute_names("#sort", table.sort_key())
            .expression_attribute_values(":user", AttributeValue::S(user_id.to_owned()))
            .expression_attribute_values(":prefix", AttributeValue::S(table.user_prefix(user_id)))
            .into_paginator()
            .items()
            .send();
        let items: Result<Vec<Item>, _> = items.collect().await;
        let items = items.map_err(|error| classify(&error, requirements(name)).into_error());
        let items = items.map_err(|error| error.into_store_error(FIND, name))?;
        let key = |item: &Item| {
            let session_id = text(item, ReportTable::PARTITION_KEY)?.to_owned();
            let sort_key = text(item, table.sort_key())?.to_owned();
            Some(StudentItem { table, session_id, sort_key })
        };
        Ok(items.iter().filter_map(key).collect())
    }
}

/// The index whose partition key is `user_id`.
fn index_by_user(table: ReportTable) -> Option<&'static str> {
    match table {
        ReportTable::Sections => Some("gsi_user_id"),
        ReportTable::Students => Some("user_id_index"),
        ReportTable::FormResponses => None,
    }
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn requirements(what: &str) -> TableRequirements {
    TableRequirements {
        keys: format!("keys do not fit {what}"),
        calls: "dynamodb:Query, Scan, BatchWriteItem and DeleteItem",
    }
}

#[cfg(test)]
mod tests {
    use crate::snapshots::quiz_of;

    #[test]
    fn each_snapshot_key_names_its_quiz() {
        assert_eq!(quiz_of("6715f621e1eb083bfa9b56cc"), "6715f621e1eb083bfa9b56cc");
        assert_eq!(quiz_of("q#0123#1"), "q");
        assert_eq!(quiz_of("a#b#0123#1"), "a#b", "an id may contain the sign");
    }
}
