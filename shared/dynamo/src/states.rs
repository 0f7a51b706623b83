use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use quiz_events::{Cause, Sink, with_causes};
use quiz_sync_state::{Record, StateError, StateKey, SyncState, SyncStates};
use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_item};

const READ: &str = "read";
const STORE: &str = "store";
/// The timeout of one attempt of a request; the SDK makes three attempts.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// The limit of BatchGetItem.
const KEYS: usize = 100;
/// Requests for keys that DynamoDB leaves unprocessed.
const ATTEMPTS: u32 = 8;
/// The first pause between these requests; it doubles with each request.
const PAUSE: Duration = Duration::from_millis(50);

/// The session id in errors about all states.
const ALL_SESSIONS: &str = "(all)";

type Item = HashMap<String, AttributeValue>;

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
/// read. Reads by key are consistent; the scan of all states is not.
#[derive(Clone, Debug)]
pub struct DynamoStates {
    client: Client,
    table: String,
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

    fn failed<E, R>(&self, action: &'static str, session_id: &str, error: &SdkError<E, R>) -> StateError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
        let text = format!("table {}: {}", self.table, with_causes(error));
        state_error(action, session_id, text, REFUSED.contains(&code))
    }
}

fn state_error(action: &'static str, session_id: &str, text: String, refused: bool) -> StateError {
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

fn record(item: Item, session_id: &str) -> Result<Record, StateError> {
    from_item(item).map_err(|error| {
        state_error(READ, session_id, format!("the stored item is not a sync state: {error}"), true)
    })
}

/// The name of the item's sink, if this version does not know it.
fn unknown_sink(item: &Item) -> Option<&String> {
    let name = item.get("sink")?.as_s().ok()?;
    name.parse::<Sink>().is_err().then_some(name)
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
        let item = to_item(Record { key: key.clone(), state }).map_err(|error| {
            state_error(STORE, &key.session_id, format!("cannot encode the state: {error}"), true)
        })?;
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
        let mut found: HashMap<StateKey, SyncState> = HashMap::new();
        for chunk in wanted.chunks(KEYS) {
            let first = chunk.first().map_or("", |key| &key.session_id);
            let mut left: Vec<Item> = chunk.iter().map(keys).collect();
            for attempt in 0..ATTEMPTS {
                let request = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(true).build();
                let request = request.map_err(|error| state_error(READ, first, error.to_string(), true))?;
                let answer = self.client.batch_get_item().request_items(&self.table, request).send().await;
                let answer = answer.map_err(|error| self.failed(READ, first, &error))?;
                for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                    let record = record(item, first)?;
                    found.insert(record.key, record.state);
                }
                left =
                    answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, keys)| keys.keys).collect();
                if left.is_empty() {
                    break;
                }
                tokio::time::sleep(PAUSE.saturating_mul(1 << attempt)).await;
            }
            if !left.is_empty() {
                let text = format!("table {}: {} keys stay unprocessed", self.table, left.len());
                return Err(state_error(READ, first, text, false));
            }
        }
        Ok(wanted.iter().map(|key| found.get(key).cloned().unwrap_or_default()).collect())
    }

    async fn all(&self) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        let mut items = self.client.scan().table_name(&self.table).into_paginator().items().send();
        let (mut states, mut unknown) = (Vec::new(), BTreeSet::new());
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| self.failed(READ, ALL_SESSIONS, &error))?;
            if let Some(sink) = unknown_sink(&item) {
                unknown.extend([sink.clone()]);
            } else {
                let record = record(item, ALL_SESSIONS)?;
                states.push((record.key, record.state));
            }
        }
        if !unknown.is_empty() {
            tracing::warn!(table = self.table, sinks = ?unknown, "sync states of unknown sinks skipped");
        }
        states.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(states)
    }
}
