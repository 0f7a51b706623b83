use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use jiff::{SignedDuration, Timestamp};
use quiz_lambda::aws::error_cause;

use crate::memory::{CLAIM, Memory, MemoryError, Recalled, Shown, Tries};

/// How long a notice is remembered. A daily notice comes with each pass of reconcile on that day.
const NOTICE: SignedDuration = SignedDuration::from_hours(26);
/// How long a shared card is remembered.
const CARD: SignedDuration = SignedDuration::from_hours(24 * 14);
/// The most keys of one BatchGetItem.
const KEYS: usize = 100;
/// The limit for one write.
const PATIENCE: Duration = Duration::from_secs(5);

/// The memory in a DynamoDB table with partition key `name` (S) and time to live `expires_at` (N, seconds).
///
/// | item | `name` | other attributes |
/// |---|---|---|
/// | posted notice | its id | |
/// | logged action of an operator | `logged:<id>` | |
/// | tries of a notice that is not posted | `tries:<id>` | `answered`, `alone` (N) |
/// | shared card | `backfill:<id>`, `outage:<service>` | the Discord message's id in `value` (S), the shown notice's JSON in `notice` (S), its `shown_at` (N, ms) and `is_over` (BOOL); older items have only `value` |
/// | claim of a card's first message | `first-of-<card>` | the notice's id in `value` |
#[derive(Clone, Debug)]
pub struct DynamoMemory {
    client: Client,
    table: String,
}

type Item = HashMap<String, AttributeValue>;

impl DynamoMemory {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    fn put(&self, name: &str, value: &str, life: SignedDuration) -> PutItemFluentBuilder {
        let expires = Timestamp::now().saturating_add(life).unwrap_or(Timestamp::MAX);
        let put = self.client.put_item().table_name(&self.table);
        put.item("name", AttributeValue::S(name.to_owned()))
            .item("value", AttributeValue::S(value.to_owned()))
            .item("expires_at", AttributeValue::N(expires.as_second().to_string()))
    }

    async fn get(&self, names: &[String]) -> Result<Vec<Item>, MemoryError> {
        let keys =
            names.iter().map(|name| HashMap::from([("name".to_owned(), AttributeValue::S(name.clone()))]));
        let keys = KeysAndAttributes::builder().set_keys(Some(keys.collect())).consistent_read(true).build();
        let keys = keys.map_err(|error| MemoryError(error.to_string()))?;
        let answer = self.client.batch_get_item().request_items(&self.table, keys).send().await;
        let answer = answer.map_err(|error| MemoryError(error_cause(&error)))?;
        Ok(answer.responses.into_iter().flatten().flat_map(|(_, items)| items).collect())
    }
}

#[async_trait]
impl Memory for DynamoMemory {
    async fn recall(&self, notices: &[String], cards: &[String]) -> Result<Recalled, MemoryError> {
        let tries_names = notices.iter().map(|id| tries_name(id));
        let names: HashSet<String> =
            notices.iter().cloned().chain(tries_names).chain(cards.iter().cloned()).collect();
        let names: Vec<String> = names.into_iter().collect();
        let mut known: HashMap<String, Item> = HashMap::new();
        for chunk in names.chunks(KEYS) {
            let items = self.get(chunk).await?.into_iter().filter(is_alive);
            known.extend(items.filter_map(|item| Some((text(&item, "name")?, item))));
        }
        let shown = |card: &String| Some((card.clone(), shown(known.get(card)?)?));
        let tries = |id: &String| Some((id.clone(), tries(known.get(&tries_name(id))?)));
        Ok(Recalled {
            cards: cards.iter().filter_map(shown).collect(),
            tries: notices.iter().filter_map(tries).collect(),
            notices: notices.iter().filter(|id| known.contains_key(*id)).cloned().collect(),
        })
    }

    async fn remember(&self, notices: &[String]) -> Result<(), MemoryError> {
        let puts = notices.iter().map(|id| async move {
            let put = send(self.put(id, "posted", NOTICE)).await?;
            put.map_err(|error| MemoryError(error_cause(&error)))
        });
        futures::future::try_join_all(puts).await.map(drop)
    }

    async fn note_tries(&self, notice: &str, tries: Tries) -> Result<(), MemoryError> {
        let count = |count: u32| AttributeValue::N(count.to_string());
        let put = self.put(&tries_name(notice), "not posted", NOTICE);
        let put = put.item("answered", count(tries.answered)).item("alone", count(tries.alone));
        send(put).await?.map(drop).map_err(|error| MemoryError(error_cause(&error)))
    }

    async fn claim_card(&self, card: &str, notice_id: &str) -> Result<bool, MemoryError> {
        let life = SignedDuration::try_from(CLAIM).unwrap_or_default();
        let put = self
            .put(&format!("first-of-{card}"), notice_id, life)
            .condition_expression(
                "attribute_not_exists(expires_at) OR expires_at <= :now OR #value = :notice",
            )
            .expression_attribute_names("#value", "value")
            .expression_attribute_values(":now", AttributeValue::N(now().to_string()))
            .expression_attribute_values(":notice", AttributeValue::S(notice_id.to_owned()));
        match send(put).await? {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(MemoryError(error_cause(&error))),
            },
        }
    }

    async fn remember_card(&self, card: &str, shown_now: &Shown) -> Result<Option<Shown>, MemoryError> {
        let mut put = self.put(card, &shown_now.message_id, CARD);
        if let (Some(notice), Some(moment)) = (&shown_now.notice, shown_now.moment()) {
            let json = serde_json::to_string(notice).map_err(|error| MemoryError(error.to_string()))?;
            let shown_at = AttributeValue::N(moment.at.as_millisecond().to_string());
            // A finished state is newer than every running one.
            let not_newer = if moment.is_over {
                "is_over = :running OR shown_at <= :at"
            } else {
                "is_over = :running AND shown_at <= :at"
            };
            put = put
                .item("notice", AttributeValue::S(json))
                .item("shown_at", shown_at.clone())
                .item("is_over", AttributeValue::Bool(moment.is_over))
                .condition_expression(format!(
                    "attribute_not_exists(shown_at) OR expires_at <= :now OR ({not_newer})"
                ))
                .expression_attribute_values(":running", AttributeValue::Bool(false))
                .expression_attribute_values(":at", shown_at)
                .expression_attribute_values(":now", AttributeValue::N(now().to_string()))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        }
        let before = match send(put.return_values(ReturnValue::AllOld)).await? {
            Ok(put) => put.attributes,
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(newer)) => newer.item.clone(),
                _ => return Err(MemoryError(error_cause(&error))),
            },
        };
        Ok(before.filter(is_alive).as_ref().and_then(shown))
    }
}

/// Sends the write; fails if DynamoDB does not answer within `PATIENCE`.
async fn send(
    put: PutItemFluentBuilder,
) -> Result<Result<PutItemOutput, SdkError<PutItemError>>, MemoryError> {
    let answer = tokio::time::timeout(PATIENCE, put.send()).await;
    answer.map_err(|_| MemoryError(format!("no answer of DynamoDB within {} s", PATIENCE.as_secs())))
}

fn tries_name(notice: &str) -> String {
    format!("tries:{notice}")
}

fn tries(item: &Item) -> Tries {
    let count =
        |field: &str| item.get(field).and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or_default();
    Tries { answered: count("answered"), alone: count("alone") }
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Whether the item has not expired; DynamoDB deletes expired items only within days.
fn is_alive(item: &Item) -> bool {
    let expires = item.get("expires_at").and_then(|value| value.as_n().ok()?.parse::<i64>().ok());
    expires.is_some_and(|at| at > now())
}

fn shown(item: &Item) -> Option<Shown> {
    let notice = text(item, "notice").and_then(|json| serde_json::from_str(&json).ok());
    Some(Shown { message_id: text(item, "value")?, notice })
}

fn text(item: &Item, field: &str) -> Option<String> {
    item.get(field).and_then(|value| value.as_s().ok()).cloned()
}
