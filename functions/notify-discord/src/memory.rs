use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use jiff::{SignedDuration, Timestamp};
use quiz_messaging::with_causes;

/// How long a notice is remembered.
const NOTICE: SignedDuration = SignedDuration::from_hours(1);
/// How long a backfill's message is.
const MESSAGE: SignedDuration = SignedDuration::from_hours(24 * 14);
/// What BatchGetItem takes at once.
const KEYS: usize = 100;
const PATIENCE: Duration = Duration::from_secs(5);

/// What was posted, remembered across instances of the function.
#[async_trait]
pub trait Memory: Send + Sync {
    /// Those of the names that are remembered, each with what is remembered of it.
    async fn recall(&self, names: &[String]) -> Result<HashMap<String, String>, MemoryError>;

    /// Remembers notices for an hour, and a backfill's message for two weeks.
    async fn remember(&self, notices: &[String], backfill: Option<(&str, &str)>) -> Result<(), MemoryError>;
}

/// The memory cannot be asked or told. Notices are posted all the same: twice is better than never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryError(pub String);

/// A DynamoDB table: partition key `name` (S); `value` (S), `expires_at` (N, seconds, its time to live).
#[derive(Clone, Debug)]
pub struct DynamoMemory {
    client: Client,
    table: String,
}

impl DynamoMemory {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    async fn put(&self, name: &str, value: &str, life: SignedDuration) -> Result<(), MemoryError> {
        let expires = Timestamp::now().saturating_add(life).unwrap_or(Timestamp::MAX);
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("name", AttributeValue::S(name.to_owned()))
            .item("value", AttributeValue::S(value.to_owned()))
            .item("expires_at", AttributeValue::N(expires.as_second().to_string()));
        match tokio::time::timeout(PATIENCE, put.send()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(MemoryError(with_causes(&error))),
            Err(_) => Err(MemoryError("no answer in time".to_owned())),
        }
    }
}

#[async_trait]
impl Memory for DynamoMemory {
    async fn recall(&self, names: &[String]) -> Result<HashMap<String, String>, MemoryError> {
        let now = Timestamp::now().as_second();
        let names: Vec<&String> = names.iter().collect::<HashSet<_>>().into_iter().collect();
        let mut known = HashMap::new();
        for chunk in names.chunks(KEYS) {
            let keys = chunk
                .iter()
                .map(|name| HashMap::from([("name".to_owned(), AttributeValue::S((*name).clone()))]));
            let keys =
                KeysAndAttributes::builder().set_keys(Some(keys.collect())).consistent_read(true).build();
            let keys = keys.map_err(|error| MemoryError(error.to_string()))?;
            let answer = self.client.batch_get_item().request_items(&self.table, keys).send().await;
            let answer = answer.map_err(|error| MemoryError(DisplayErrorContext(error).to_string()))?;
            for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                let text = |field: &str| item.get(field).and_then(|it| it.as_s().ok()).cloned();
                // a table's time to live is kept within days only
                let expires = item.get("expires_at").and_then(|it| it.as_n().ok()?.parse::<i64>().ok());
                if let (Some(name), Some(value), Some(true)) =
                    (text("name"), text("value"), expires.map(|at| at > now))
                {
                    known.insert(name, value);
                }
            }
        }
        Ok(known)
    }

    async fn remember(&self, notices: &[String], backfill: Option<(&str, &str)>) -> Result<(), MemoryError> {
        let notices = notices.iter().map(|name| self.put(name, "posted", NOTICE));
        futures::future::try_join_all(notices).await?;
        if let Some((backfill_id, message_id)) = backfill {
            self.put(&backfill_name(backfill_id), message_id, MESSAGE).await?;
        }
        Ok(())
    }
}

/// Under which a backfill's message is remembered.
pub fn backfill_name(backfill_id: &str) -> String {
    format!("backfill:{backfill_id}")
}
