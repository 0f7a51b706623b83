use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures::{StreamExt, TryStreamExt, stream};
use quiz_events::{Cause, with_causes};
use quiz_sync_state::{Record, StateError, StateKey, SyncState, SyncStates};
use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_item};

use crate::state_index::{BY_QUIZ, QUIZ, UNFINISHED, lacks_index, set_index_keys, shards, unknown_sink};

pub(crate) const READ: &str = "read";
pub(crate) const STORE: &str = "store";
/// The timeout of one attempt of a request; the SDK makes three attempts.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// The limit of BatchGetItem.
const KEYS: usize = 100;
/// Requests for keys that DynamoDB leaves unprocessed.
const ATTEMPTS: u32 = 8;
/// The first pause between these requests; it doubles with each request.
const PAUSE: Duration = Duration::from_millis(50);

/// Requests of BatchGetItem at the same time.
const CHUNKS_AT_ONCE: usize = 4;
/// Queries of an index at the same time.
const QUERIES_AT_ONCE: usize = 32;

/// The session id in errors about many states.
pub(crate) const ALL_SESSIONS: &str = "(all)";

pub(crate) type Item = HashMap<String, AttributeValue>;

/// Codes that no retry changes until a person corrects the table, its name or the role.
const REFUSED: [&str; 4] = [
    "ResourceNotFoundException",
    "AccessDeniedException",
    "UnrecognizedClientException",
    "ValidationException",
];

/// The sync states in a DynamoDB table with the partition key `session_id` (S) and the sort key `sink` (S).
///
/// Two processes may change one state at the same time (`docs/decisions/0008-sync-state.md`). So each state has a
/// revision that grows with each change, and a swap writes only if the stored revision is still the one that its caller
/// read. Reads are consistent, but an index finds a state up to some seconds late.
#[derive(Clone, Debug)]
pub struct DynamoStates {
    pub(crate) client: Client,
    pub(crate) table: String,
}

impl DynamoStates {
    /// Makes a store with the client's credentials, region, endpoint and retries.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a client is a handle, and the store keeps it")]
    pub fn new(client: Client, table: String) -> Self {
        let mut timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
        if let Some(given) = client.config().timeout_config() {
            timeouts.take_defaults_from(given);
        }
        let config = client.config().to_builder().timeout_config(timeouts).build();
        Self { client: Client::from_conf(config), table }
    }

    pub(crate) fn failed<E, R>(
        &self,
        action: &'static str,
        session_id: &str,
        error: &SdkError<E, R>,
    ) -> StateError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
        let text = format!("table {}: {}", self.table, with_causes(error));
        state_error(action, session_id, text, REFUSED.contains(&code))
    }
}

pub(crate) fn state_error(action: &'static str, session_id: &str, text: String, refused: bool) -> StateError {
    let (session_id, cause) = (session_id.to_owned(), Cause::from(text));
    if refused {
        StateError::Refused { action, session_id, cause }
    } else {
        StateError::Unavailable { action, session_id, cause }
    }
}

fn keys(key: &StateKey) -> Item {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    HashMap::from([("session_id".into(), text(&key.session_id)), ("sink".into(), text(key.sink.as_str()))])
}

pub(crate) fn record(item: Item, session_id: &str) -> Result<Record, StateError> {
    from_item(item).map_err(|error| {
        state_error(READ, session_id, format!("the stored item is not a sync state: {error}"), true)
    })
}

/// The key of an item; `None` if this version does not know its sink.
pub(crate) fn state_key(item: &Item) -> Option<StateKey> {
    let text = |name: &str| item.get(name)?.as_s().ok();
    Some(StateKey { session_id: text("session_id")?.clone(), sink: text("sink")?.parse().ok()? })
}

#[async_trait]
impl SyncStates for DynamoStates {
    async fn get(&self, key: &StateKey) -> Result<SyncState, StateError> {
        let keys = keys(key);
        let get = self.client.get_item().table_name(&self.table).set_key(Some(keys)).consistent_read(true);
        let answer = get.send().await.map_err(|error| self.failed(READ, &key.session_id, &error))?;
        let Some(item) = answer.item else { return Ok(SyncState::default()) };
        Ok(record(item, &key.session_id)?.state)
    }

    async fn swap(&self, key: &StateKey, seen: &SyncState, next: &SyncState) -> Result<bool, StateError> {
        let state = SyncState { revision: seen.revision.saturating_add(1), ..next.clone() };
        let mut item: Item = to_item(Record { key: key.clone(), state }).map_err(|error| {
            state_error(STORE, &key.session_id, format!("cannot encode the state: {error}"), true)
        })?;
        set_index_keys(&mut item, key, next);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = if seen.revision == 0 {
            put.condition_expression("attribute_not_exists(session_id)")
        } else {
            let revision = AttributeValue::N(seen.revision.to_string());
            put.condition_expression("revision = :seen").expression_attribute_values(":seen", revision)
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) => {
                let refused = error.as_service_error();
                if refused.is_some_and(PutItemError::is_conditional_check_failed_exception) {
                    return Ok(false);
                }
                Err(self.failed(STORE, &key.session_id, &error))
            }
        }
    }

    async fn get_many(&self, wanted: &[StateKey]) -> Result<Vec<SyncState>, StateError> {
        let chunks = stream::iter(wanted.chunks(KEYS).map(<[StateKey]>::to_vec));
        let found = chunks.map(|chunk| self.get_chunk(chunk)).buffer_unordered(CHUNKS_AT_ONCE);
        let mut found: HashMap<StateKey, SyncState> = found.try_concat().await?.into_iter().collect();
        Ok(wanted.iter().map(|key| found.remove(key).unwrap_or_default()).collect())
    }

    async fn get_unfinished(&self) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        let Some(keys) = self.query((UNFINISHED, UNFINISHED), shards().map(str::to_owned)).await? else {
            return self.scan(SyncState::is_unfinished).await;
        };
        let indexed = self.get_existing(keys, SyncState::is_unfinished).await?;
        // states that older versions stored are not all in the index yet
        let mut states: BTreeMap<_, _> =
            self.scan_unindexed(SyncState::is_unfinished).await?.into_iter().collect();
        states.extend(indexed);
        Ok(states.into_iter().collect())
    }

    async fn get_by_quiz(&self, quiz_ids: &[String]) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        let wanted: HashSet<String> = quiz_ids.iter().filter(|id| !id.is_empty()).cloned().collect();
        let is_wanted = |state: &SyncState| wanted.contains(&state.quiz_id);
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        match self.query((BY_QUIZ, QUIZ), wanted.iter().cloned()).await? {
            Some(keys) => self.get_existing(keys, is_wanted).await,
            None => self.scan(is_wanted).await,
        }
    }
}

impl DynamoStates {
    /// The states of at most [`KEYS`] keys, without those that do not exist.
    async fn get_chunk(&self, chunk: Vec<StateKey>) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        let first = chunk.first().map_or("", |key| &key.session_id);
        let mut found = Vec::with_capacity(chunk.len());
        let mut left: Vec<Item> = chunk.iter().map(keys).collect();
        for attempt in 0..ATTEMPTS {
            let request = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(true).build();
            let request = request.map_err(|error| state_error(READ, first, error.to_string(), true))?;
            let answer = self.client.batch_get_item().request_items(&self.table, request).send().await;
            let answer = answer.map_err(|error| self.failed(READ, first, &error))?;
            for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                let record = record(item, first)?;
                found.push((record.key, record.state));
            }
            left = answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, keys)| keys.keys).collect();
            if left.is_empty() {
                return Ok(found);
            }
            tokio::time::sleep(PAUSE.saturating_mul(1 << attempt)).await;
        }
        let text = format!("table {}: {} keys stay unprocessed", self.table, left.len());
        Err(state_error(READ, first, text, false))
    }

    /// The states of these keys that exist and for which `keep` is true, sorted by key.
    async fn get_existing(
        &self,
        mut keys: Vec<StateKey>,
        keep: impl Fn(&SyncState) -> bool,
    ) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        keys.sort();
        keys.dedup();
        let states = self.get_many(&keys).await?;
        let keyed = keys.into_iter().zip(states);
        Ok(keyed.filter(|(_, state)| state.revision > 0 && keep(state)).collect())
    }

    /// The keys that an index has for any of these values; `None` if the table lacks the index.
    async fn query(
        &self,
        index: (&'static str, &'static str),
        values: impl Iterator<Item = String> + Send,
    ) -> Result<Option<Vec<StateKey>>, StateError> {
        let queries = stream::iter(values).map(|value| self.query_one(index, value));
        let mut queries = queries.buffer_unordered(QUERIES_AT_ONCE);
        let (mut keys, mut unknown) = (Vec::new(), BTreeSet::new());
        while let Some(items) = queries.try_next().await? {
            let Some(items) = items else { return Ok(None) };
            for item in items {
                match state_key(&item) {
                    Some(key) => keys.push(key),
                    None => unknown.extend(unknown_sink(&item).cloned()),
                }
            }
        }
        self.warn_of(&unknown);
        Ok(Some(keys))
    }

    async fn query_one(
        &self,
        (index, attribute): (&'static str, &'static str),
        value: String,
    ) -> Result<Option<Vec<Item>>, StateError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(index)
            .key_condition_expression("#key = :value")
            .expression_attribute_names("#key", attribute)
            .expression_attribute_values(":value", AttributeValue::S(value));
        let items = query.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        match items {
            Ok(items) => Ok(Some(items)),
            Err(error) if lacks_index(&error) => Ok(None),
            Err(error) => Err(self.failed(READ, ALL_SESSIONS, &error)),
        }
    }
}
