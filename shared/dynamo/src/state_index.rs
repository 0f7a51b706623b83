//! The indexes of the sync states, and the items that existed before them.
//!
//! Problem: a table of sync states grows for ever, so no pass may read all of it. Idea: two global secondary indexes find
//! unfinished states and the states of a quiz. The attribute `unfinished` exists only on
//! [unfinished](SyncState::is_unfinished) states, so the index on it stays small.
//!
//! - The code makes the indexes, not the template: CloudFormation creates one index in each update of a stack, and cannot
//!   change a table that another stack made.
//! - Older versions stored states without the attribute. So [`DynamoStates::prepare_indexes`] reads all states once, page
//!   by page, and stores each unfinished state again. A marker item keeps its progress.
//! - Until the marker says that all states are indexed, and while an index is missing, readers scan the table. They keep
//!   only the states that they look for.
//!
//! See docs/decisions/0015-history.md.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, CreateGlobalSecondaryIndexAction,
    GlobalSecondaryIndexUpdate, IndexStatus, KeySchemaElement, KeyType, Projection, ProjectionType,
    ProvisionedThroughputDescription, ScalarAttributeType, TableDescription, TableStatus,
};
use futures::{StreamExt, TryStreamExt, stream};
use quiz_sync_state::{Record, StateError, StateKey, SyncState, SyncStates};
use tokio::time::Instant;

use crate::states::{ALL_SESSIONS, DynamoStates, Item, READ, STORE, record, state_error, state_key};

/// The index on the attribute of the same name, which only unfinished states have.
pub(crate) const UNFINISHED: &str = "unfinished";
/// The index on [`QUIZ`].
pub(crate) const BY_QUIZ: &str = "by_quiz";
pub(crate) const QUIZ: &str = "quiz_id";
/// The indexes by name, each with its partition key. They hold only keys: an item of an index changes only when one of its
/// keys changes. The states are read from the table, consistently.
const INDEXES: [(&str, &str); 2] = [(UNFINISHED, UNFINISHED), (BY_QUIZ, QUIZ)];

/// The values of the attribute `unfinished`. One partition of an index takes 1,000 writes a second; a burst of syncs can
/// make more.
const SHARDS: [&str; 16] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"];

/// The key of the marker. No session id begins with a space, and versions that do not know this sink skip the item.
const MARKER: (&str, &str) = (" indexes", "marker");
const CREATE_INDEX: &str = "create the index of";
/// Pages of 1 MB after which [`DynamoStates::prepare_indexes`] stores its place.
const PAGES_PER_CURSOR: usize = 20;
/// States that [`DynamoStates::prepare_indexes`] stores at the same time.
const STORES_AT_ONCE: usize = 16;

/// The marker's attribute once all states are indexed.
const IS_COMPLETE: &str = "is_complete";
/// The key after which the next pass goes on.
const CURSOR: (&str, &str) = ("cursor_session_id", "cursor_sink");

/// How far the indexes of the table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexProgress {
    /// DynamoDB builds an index. A later call goes on.
    Building,
    /// The time was over before all states were read. A later call goes on.
    Indexing,
    /// Both indexes hold all states that they are for.
    Ready,
}

/// Every value of the attribute `unfinished`.
pub(crate) fn shards() -> impl Iterator<Item = &'static str> {
    SHARDS.into_iter()
}

fn shard(session_id: &str) -> &'static str {
    let hash = xxhash_rust::xxh3::xxh3_64(session_id.as_bytes());
    let at = usize::try_from(hash % 16).unwrap_or_default();
    SHARDS.get(at).copied().unwrap_or("0")
}

/// Sets the attributes that the indexes are made of. DynamoDB refuses an empty text in an index.
pub(crate) fn set_index_keys(item: &mut Item, key: &StateKey, state: &SyncState) {
    if state.quiz_id.is_empty() {
        item.remove(QUIZ);
    }
    if state.is_unfinished() {
        item.insert(UNFINISHED.to_owned(), text(shard(&key.session_id)));
    }
}

/// Whether the query failed because the table lacks the index, or DynamoDB still builds it.
pub(crate) fn lacks_index<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let Some(refused) = error.as_service_error() else { return false };
    refused.code() == Some("ValidationException")
        && refused.message().is_some_and(|message| message.contains("index"))
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn key_item((session_id, sink): (&str, &str)) -> Item {
    HashMap::from([("session_id".into(), text(session_id)), ("sink".into(), text(sink))])
}

impl DynamoStates {
    /// Creates a missing index, or adds the states that older versions stored. It reads at least one page of states, and
    /// stops at the first page that ends after `until`. A call without work makes two requests. Several processes may call
    /// it at once.
    ///
    /// # Errors
    /// [`StateError`] if DynamoDB refuses or fails. Readers still find all states.
    pub async fn prepare_indexes(&self, until: Instant) -> Result<IndexProgress, StateError> {
        if !self.has_active_indexes().await? {
            return Ok(IndexProgress::Building);
        }
        let marker = self.marker().await?;
        if marker.contains_key(IS_COMPLETE) {
            return Ok(IndexProgress::Ready);
        }
        let mut cursor = cursor(&marker);
        let (mut pages, mut read, mut indexed) = (0_usize, 0_usize, 0_usize);
        loop {
            let (items, next) = self.page(cursor).await?;
            pages += 1;
            read += items.len();
            indexed += self.index(items).await?;
            let Some(next) = next else {
                self.store_marker(&[(IS_COMPLETE, AttributeValue::Bool(true))]).await?;
                tracing::info!(table = self.table, read, indexed, "sync states indexed");
                return Ok(IndexProgress::Ready);
            };
            let is_over = Instant::now() >= until;
            if is_over || pages.is_multiple_of(PAGES_PER_CURSOR) {
                let keys = [(CURSOR.0, "session_id"), (CURSOR.1, "sink")];
                let keys = keys.map(|(name, key)| (name, next.get(key).cloned().unwrap_or_else(|| text(""))));
                self.store_marker(&keys).await?;
            }
            if is_over {
                tracing::info!(table = self.table, read, indexed, "sync states partly indexed");
                return Ok(IndexProgress::Indexing);
            }
            cursor = Some(next);
        }
    }

    /// Reads the part of the table that [`Self::prepare_indexes`] has not read yet, like [`Self::scan`].
    pub(crate) async fn scan_unindexed(
        &self,
        keep: impl Fn(&SyncState) -> bool + Send,
    ) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        let marker = self.marker().await?;
        if marker.contains_key(IS_COMPLETE) {
            Ok(Vec::new())
        } else {
            self.scan_from(cursor(&marker), keep).await
        }
    }

    /// Reads the whole table, a page at a time, and keeps the states for which `keep` is true, sorted by key.
    ///
    /// # Errors
    /// [`StateError`] if DynamoDB refuses or fails.
    pub async fn scan(
        &self,
        keep: impl Fn(&SyncState) -> bool + Send,
    ) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        self.scan_from(None, keep).await
    }

    async fn scan_from(
        &self,
        mut cursor: Option<Item>,
        keep: impl Fn(&SyncState) -> bool + Send,
    ) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        let (mut states, mut unknown) = (Vec::new(), BTreeSet::new());
        loop {
            let (items, next) = self.page(cursor).await?;
            for item in items {
                if state_key(&item).is_none() {
                    unknown.extend(unknown_sink(&item).cloned());
                    continue;
                }
                let record = record(item, ALL_SESSIONS)?;
                if keep(&record.state) {
                    states.push((record.key, record.state));
                }
            }
            if next.is_none() {
                break;
            }
            cursor = next;
        }
        self.warn_of(&unknown);
        states.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(states)
    }

    pub(crate) fn warn_of(&self, unknown_sinks: &BTreeSet<String>) {
        if !unknown_sinks.is_empty() {
            tracing::warn!(table = self.table, sinks = ?unknown_sinks, "sync states of unknown sinks skipped");
        }
    }

    async fn page(&self, cursor: Option<Item>) -> Result<(Vec<Item>, Option<Item>), StateError> {
        let scan = self.client.scan().table_name(&self.table).set_exclusive_start_key(cursor);
        let answer = scan.send().await.map_err(|error| self.failed(READ, ALL_SESSIONS, &error))?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key.filter(|key| !key.is_empty())))
    }

    /// Stores the unfinished states of a page again, if they are not in the index, and returns how many it stored. It skips
    /// a state that has just changed: this version has set the attribute, or a later pass finds the state by its quiz.
    async fn index(&self, items: Vec<Item>) -> Result<usize, StateError> {
        let mut unfinished = Vec::new();
        for item in items {
            if item.contains_key(UNFINISHED) || state_key(&item).is_none() {
                continue;
            }
            let record = record(item, ALL_SESSIONS)?;
            if record.state.is_unfinished() {
                unfinished.push(record);
            }
        }
        let store =
            |record: Record| async move { self.swap(&record.key, &record.state, &record.state).await };
        let mut stored = stream::iter(unfinished).map(store).buffer_unordered(STORES_AT_ONCE);
        let mut indexed = 0;
        while let Some(is_stored) = stored.try_next().await? {
            indexed += usize::from(is_stored);
        }
        Ok(indexed)
    }

    async fn marker(&self) -> Result<Item, StateError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key_item(MARKER)));
        let answer = get.consistent_read(true).send().await;
        let answer = answer.map_err(|error| self.failed(READ, ALL_SESSIONS, &error))?;
        Ok(answer.item.unwrap_or_default())
    }

    async fn store_marker(&self, attributes: &[(&str, AttributeValue)]) -> Result<(), StateError> {
        let mut item = key_item(MARKER);
        item.extend(attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        // another process may have read all states before
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = put.condition_expression(format!("attribute_not_exists({IS_COMPLETE})")).send().await;
        match put {
            Err(error)
                if !error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Err(self.failed(STORE, ALL_SESSIONS, &error))
            }
            _ => Ok(()),
        }
    }

    /// Whether DynamoDB has built both indexes. Creates the next missing one: DynamoDB builds one at a time.
    async fn has_active_indexes(&self) -> Result<bool, StateError> {
        let answer = self.client.describe_table().table_name(&self.table).send().await;
        let answer = answer.map_err(|error| self.failed(READ, ALL_SESSIONS, &error))?;
        let Some(table) = answer.table else { return Ok(false) };
        let status = |name: &str| {
            let index =
                table.global_secondary_indexes().iter().find(|index| index.index_name() == Some(name));
            index.map(|index| index.index_status().cloned())
        };
        let is_active = |name: &str| status(name) == Some(Some(IndexStatus::Active));
        if INDEXES.iter().all(|(name, _)| is_active(name)) {
            return Ok(true);
        }
        let missing = INDEXES.iter().find(|(name, _)| status(name).is_none());
        let is_building = INDEXES.iter().any(|(name, _)| status(name).is_some() && !is_active(name));
        if let Some(index) =
            missing.filter(|_| !is_building && table.table_status == Some(TableStatus::Active))
        {
            self.create_index(*index, &table).await?;
        }
        Ok(false)
    }

    async fn create_index(&self, index: (&str, &str), table: &TableDescription) -> Result<(), StateError> {
        let (name, attribute) = index;
        if is_provisioned(table) {
            let text = format!(
                "table {0} has provisioned throughput, and a new index would not scale with it: run aws dynamodb \
                 update-table --table-name {0} --billing-mode PAY_PER_REQUEST",
                self.table
            );
            return Err(state_error(CREATE_INDEX, ALL_SESSIONS, text, true));
        }
        let create = new_index(index);
        let (update, definition) =
            create.map_err(|error| state_error(STORE, ALL_SESSIONS, error.to_string(), true))?;
        let update = self
            .client
            .update_table()
            .table_name(&self.table)
            .attribute_definitions(definition)
            .global_secondary_index_updates(update);
        match update.send().await {
            Ok(_) => {
                tracing::info!(table = self.table, index = name, attribute, "index of sync states created");
                Ok(())
            }
            // another pass was faster, or DynamoDB builds an index of another table
            Err(error) if is_busy(&error) => Ok(()),
            Err(error) => Err(self.failed(CREATE_INDEX, ALL_SESSIONS, &error)),
        }
    }
}

fn is_busy<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    matches!(code, Some("ResourceInUseException" | "LimitExceededException"))
}

/// Whether the table has provisioned throughput. On-demand tables report 0 units.
fn is_provisioned(table: &TableDescription) -> bool {
    let mode = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    let units =
        table.provisioned_throughput().and_then(ProvisionedThroughputDescription::write_capacity_units);
    mode != Some(&BillingMode::PayPerRequest) && units.is_some_and(|units| units > 0)
}

fn new_index(
    (name, attribute): (&str, &str),
) -> Result<(GlobalSecondaryIndexUpdate, AttributeDefinition), BuildError> {
    let key = KeySchemaElement::builder().attribute_name(attribute).key_type(KeyType::Hash).build()?;
    let keys_only = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
    let index =
        CreateGlobalSecondaryIndexAction::builder().index_name(name).key_schema(key).projection(keys_only);
    let definition =
        AttributeDefinition::builder().attribute_name(attribute).attribute_type(ScalarAttributeType::S);
    Ok((GlobalSecondaryIndexUpdate::builder().create(index.build()?).build(), definition.build()?))
}

/// The key after which the marker's pass stopped.
fn cursor(marker: &Item) -> Option<Item> {
    let text = |name: &str| marker.get(name)?.as_s().ok().map(String::as_str);
    Some(key_item((text(CURSOR.0)?, text(CURSOR.1)?)))
}

/// The name of the item's sink, which this version does not know. The marker is no state.
pub(crate) fn unknown_sink(item: &Item) -> Option<&String> {
    item.get("sink")?.as_s().ok().filter(|name| *name != MARKER.1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{SHARDS, shard};

    #[test]
    fn shards_of_similar_ids_are_even() {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for number in 0..16_000 {
            *counts.entry(shard(&format!("EnableStudents_6715f621e1eb083b{number:08x}"))).or_default() += 1;
        }
        assert_eq!(counts.len(), SHARDS.len());
        assert!(counts.values().all(|count| (500..2_000).contains(count)), "{counts:?}");
    }
}
