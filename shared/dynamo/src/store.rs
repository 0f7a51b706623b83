//! The report tables as a store: look up, write, delete and read the items of one test session.
//!
//! All reads are consistent, because a sync decides by them which items to write and delete. Writes go through
//! [`Writer`], which checks the fence before each request.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::{StreamExt, TryStreamExt, stream};
use quiz_domain::reports::{ContentDigest, ReportItem, ReportTable};
use quiz_pipeline::ports::{
    Fence, ItemStream, PutOutcome, Refusal, ReportReader, ReportStore, StoreError, StoredItems,
};
use serde_dynamo::aws_sdk_dynamodb_1::from_item;
use serde_json::Value;

use crate::clients::Clients;
use crate::error::{DynamoError, classify};
use crate::item::{self, Item, is_partition_key, is_sort_key};
use crate::limits::WriteLimits;
use crate::names::TableNames;
use crate::writer::Writer;

const GENERATION: &str = "sync_generation";
const WRITE: &str = "write";
const READ: &str = "read";
const CLEAN: &str = "remove old items of";

/// The report tables. Make one store and share it, because its limit of requests in flight counts for all its users.
pub struct DynamoStore {
    reader: Client,
    writer: Writer,
    tables: TableNames,
}

impl DynamoStore {
    /// Makes a store with the client's credentials, region and endpoint. The SDK retries reads; the store itself retries
    /// writes.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a client is a handle, and the store keeps it")]
    pub fn new(client: Client, tables: TableNames, limits: WriteLimits) -> Self {
        let Clients { reader, writer } = Clients::new(&client, &limits);
        Self { reader, writer: Writer::new(writer, limits), tables }
    }

    /// A consistent query for the items of a test session.
    fn query(&self, table: ReportTable, session_id: &str) -> QueryFluentBuilder {
        self.reader
            .query()
            .table_name(self.tables.of(table))
            .consistent_read(true)
            .key_condition_expression("#partition = :session")
            .expression_attribute_names("#partition", ReportTable::PARTITION_KEY)
            .expression_attribute_values(":session", AttributeValue::S(session_id.to_owned()))
    }

    /// Reads one page of a query; returns its items and the start of the next page.
    async fn page(
        &self,
        table: ReportTable,
        query: QueryFluentBuilder,
        from: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), DynamoError> {
        let answer = query.set_exclusive_start_key(from).send().await;
        let page = answer.map_err(|error| classify(&error, table).into_error())?;
        let more = page.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((page.items.unwrap_or_default(), more))
    }

    async fn look_up(&self, table: ReportTable, session_id: &str) -> Result<StoredItems, DynamoError> {
        let query = self
            .query(table, session_id)
            .projection_expression("#sort, #generation, #digest")
            .expression_attribute_names("#sort", table.sort_key())
            .expression_attribute_names("#generation", GENERATION)
            .expression_attribute_names("#digest", ContentDigest::ATTRIBUTE);
        let (mut stored, mut from) = (StoredItems::default(), None);
        loop {
            let (items, more) = self.page(table, query.clone(), from).await?;
            for item in &items {
                if let Some(AttributeValue::S(sort_key)) = item.get(table.sort_key()) {
                    stored.add(sort_key, digest(item), generation(item));
                }
            }
            match more {
                Some(key) => from = Some(key),
                None => return Ok(stored),
            }
        }
    }

    async fn remove(
        &self,
        table: ReportTable,
        session_id: &str,
        sort_keys: Vec<String>,
        fence: &Fence,
    ) -> Result<u64, DynamoError> {
        let deletes = sort_keys.into_iter().map(|key| {
            let refuse = |reason| Refusal { sort_key: key.clone(), reason };
            item::delete(table, session_id, key.clone()).map_err(|error| refuse(error.to_string()))
        });
        let outcome = self.writer.write(table, self.tables.of(table), deletes, fence).await?;
        match outcome.refused.into_iter().next() {
            Some(refusal) => Err(DynamoError::Rejected(refusal.reason)),
            None => Ok(outcome.written),
        }
    }

    async fn items(
        &self,
        table: ReportTable,
        session_id: &str,
        user_id: &str,
    ) -> Result<Vec<Value>, DynamoError> {
        let condition = match table {
            ReportTable::Students => "#partition = :session AND #sort = :user",
            ReportTable::Sections | ReportTable::FormResponses => {
                "#partition = :session AND begins_with(#sort, :user)"
            }
        };
        let prefix = AttributeValue::S(table.user_prefix(user_id));
        let query = self
            .query(table, session_id)
            .key_condition_expression(condition)
            .expression_attribute_names("#sort", table.sort_key())
            .expression_attribute_values(":user", prefix);
        let (mut items, mut from) = (Vec::new(), None);
        loop {
            let (page, more) = self.page(table, query.clone(), from).await?;
            for item in page.into_iter().filter(|item| belongs_to(item, user_id)) {
                items.push(value(item)?);
            }
            match more {
                Some(key) => from = Some(key),
                None => return Ok(items),
            }
        }
    }
}

/// Whether an item belongs to the user. The sort key is not enough: the keys of a user `a#b` begin with the prefix of
/// a user `a`.
fn belongs_to(item: &HashMap<String, AttributeValue>, user_id: &str) -> bool {
    match item.get("user_id") {
        Some(AttributeValue::S(owner)) => owner == user_id,
        _ => true,
    }
}

#[async_trait]
impl ReportStore for DynamoStore {
    async fn stored(&self, table: ReportTable, session_id: &str) -> Result<StoredItems, StoreError> {
        if !is_partition_key(session_id) {
            return Ok(StoredItems::default());
        }
        let name = self.tables.of(table);
        self.look_up(table, session_id).await.map_err(|error| error.into_store_error(READ, name))
    }

    async fn put(
        &self,
        table: ReportTable,
        items: Vec<ReportItem>,
        fence: &Fence,
    ) -> Result<PutOutcome, StoreError> {
        let name = self.tables.of(table);
        let writes = items.into_iter().map(|item| item::put(&item));
        self.writer
            .write(table, name, writes, fence)
            .await
            .map_err(|error| error.into_store_error(WRITE, name))
    }

    async fn delete(
        &self,
        table: ReportTable,
        session_id: &str,
        sort_keys: Vec<String>,
        fence: &Fence,
    ) -> Result<u64, StoreError> {
        let name = self.tables.of(table);
        let removed = self.remove(table, session_id, sort_keys, fence).await;
        removed.map_err(|error| error.into_store_error(CLEAN, name))
    }
}

#[async_trait]
impl ReportReader for DynamoStore {
    async fn user_items(
        &self,
        table: ReportTable,
        session_id: &str,
        user_id: &str,
    ) -> Result<Vec<Value>, StoreError> {
        if !is_partition_key(session_id) || !is_sort_key(&table.user_prefix(user_id)) {
            return Ok(Vec::new());
        }
        let name = self.tables.of(table);
        self.items(table, session_id, user_id).await.map_err(|error| error.into_store_error(READ, name))
    }

    fn session_items<'a>(&'a self, table: ReportTable, session_id: &'a str) -> ItemStream<'a> {
        if !is_partition_key(session_id) {
            return stream::empty().boxed();
        }
        let query = self.query(table, session_id);
        let pages = stream::try_unfold(Some(None), move |from| {
            let query = query.clone();
            async move {
                let Some(from) = from else { return Ok::<_, DynamoError>(None) };
                let (page, more) = self.page(table, query, from).await?;
                Ok(Some((page, more.map(Some))))
            }
        });
        let items = pages.map_ok(|page| stream::iter(page.into_iter().map(value))).try_flatten();
        items.map_err(move |error| error.into_store_error(READ, self.tables.of(table))).boxed()
    }
}

fn value(item: Item) -> Result<Value, DynamoError> {
    from_item(item).map_err(|error| DynamoError::Rejected(format!("cannot decode an item: {error}")))
}

fn digest(item: &Item) -> Option<ContentDigest> {
    item.get(ContentDigest::ATTRIBUTE).and_then(|digest| ContentDigest::parse(digest.as_s().ok()?))
}

fn generation(item: &Item) -> Option<i64> {
    item.get(GENERATION).and_then(|generation| generation.as_n().ok()?.parse().ok())
}
