//! Batches of notices, to a stub of Discord.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use notify_discord::{DynamoMemory, Memory, MemoryError, Notifier};
use quiz_discord::{DiscordClient, Target};
use quiz_events::QueueMessage;
use quiz_messaging::{Backoff, ParkCause, QueueError, SourceQueue};
use quiz_stack::{Discord, DiscordRules, Fault, Stack, eventually, unique};
use serde_json::json;
use tokio::time::Instant;

/// A queue that notes what it is told.
#[derive(Default)]
struct Notes {
    parked: Mutex<Vec<(String, ParkCause)>>,
    delayed: Mutex<Vec<(String, Duration)>>,
}

#[async_trait]
impl SourceQueue for Notes {
    async fn park(&self, message: &QueueMessage, cause: &ParkCause) -> Result<(), QueueError> {
        self.parked.lock().unwrap().push((message.message_id.clone(), cause.clone()));
        Ok(())
    }

    async fn send(&self, _body: &str, _event_type: &str, _delay: Duration) -> Result<String, QueueError> {
        panic!("a notice has no follow-up")
    }

    async fn delay(&self, message: &QueueMessage, delay: Duration) -> Result<(), QueueError> {
        self.delayed.lock().unwrap().push((message.message_id.clone(), delay));
        Ok(())
    }

    async fn max_receive_count(&self) -> Result<Option<u32>, QueueError> {
        Ok(Some(5))
    }
}

/// A memory that can be lost.
#[derive(Default)]
struct InMind {
    known: Mutex<HashMap<String, String>>,
    is_lost: bool,
}

#[async_trait]
impl Memory for InMind {
    async fn recall(&self, names: &[String]) -> Result<HashMap<String, String>, MemoryError> {
        if self.is_lost {
            return Err(MemoryError("no table".into()));
        }
        let known = self.known.lock().unwrap();
        Ok(names.iter().filter_map(|it| Some((it.clone(), known.get(it)?.clone()))).collect())
    }

    async fn remember(&self, notices: &[String], backfill: Option<(&str, &str)>) -> Result<(), MemoryError> {
        if self.is_lost {
            return Err(MemoryError("no table".into()));
        }
        let mut known = self.known.lock().unwrap();
        known.extend(notices.iter().map(|it| (it.clone(), "posted".to_owned())));
        known.extend(backfill.map(|(id, message)| (format!("backfill:{id}"), message.to_owned())));
        Ok(())
    }
}

fn notifier(discord: &Discord, memory: Arc<dyn Memory>) -> Notifier {
    let target = Target::Webhook(discord.webhook_url());
    let client = DiscordClient::new(&target, Some(discord.url())).unwrap();
    let backoff = Backoff { first: Duration::from_secs(10), longest: Duration::from_mins(1) };
    Notifier { channel: Arc::new(client), memory, backoff }
}

fn finished(id: &str, session: &str) -> QueueMessage {
    let body = json!({
        "type": "sync.finished", "id": id, "at": "2026-11-21T08:36:04Z", "sink": "reports", "session_id": session,
        "quiz_id": "q", "test_name": session, "takers": 3, "ranked": 3, "rows_written": 15, "messages_coalesced": 3,
        "started_at": "2026-11-21T08:36:00Z", "duration_ms": 4000,
        "histogram": [{"from": 0.0, "to": 4.0, "takers": 3}],
    });
    message(id, &body.to_string())
}

fn message(id: &str, body: &str) -> QueueMessage {
    QueueMessage {
        message_id: format!("m-{id}"),
        body: body.to_owned(),
        receive_count: 1,
        ..QueueMessage::default()
    }
}

fn backfill(id: &str, kind: &str, done: u32) -> QueueMessage {
    let body = json!({
        "type": kind, "id": id, "at": "2026-11-21T08:36:04Z", "backfill_id": "b1", "tests": 300, "done": done,
        "failed": 0,
    });
    message(id, &body.to_string())
}

async fn handle(notifier: &Notifier, messages: &[QueueMessage], queue: &Notes) -> Vec<String> {
    notifier.handle(messages, queue, Instant::now() + Duration::from_mins(1)).await
}

#[tokio::test]
async fn a_notice_that_comes_again_is_not_posted_again() {
    let discord = Discord::start(DiscordRules::default()).unwrap();
    let notifier = notifier(&discord, Arc::new(InMind::default()));
    let queue = Notes::default();
    let twice = [finished("1", "a"), finished("1", "a"), finished("2", "b")];
    assert_eq!(handle(&notifier, &twice, &queue).await, Vec::<String>::new());
    assert_eq!(handle(&notifier, &twice[1..], &queue).await, Vec::<String>::new());
    assert_eq!(discord.messages().len(), 1);
    assert_eq!(discord.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn without_its_memory_notices_are_posted_all_the_same() {
    let discord = Discord::start(DiscordRules::default()).unwrap();
    let notifier = notifier(&discord, Arc::new(InMind { is_lost: true, ..InMind::default() }));
    assert!(handle(&notifier, &[finished("1", "a")], &Notes::default()).await.is_empty());
    assert_eq!(discord.messages().len(), 1);
}

#[tokio::test]
async fn an_outage_of_two_seconds_brings_the_messages_back_and_they_are_posted_once_it_is_over() {
    let over = Instant::now() + Duration::from_secs(2);
    let down = move |_: &_, _| (Instant::now() < over).then_some(Fault::Status(503));
    let discord =
        Discord::start(DiscordRules { script: Some(Arc::new(down)), ..DiscordRules::default() }).unwrap();
    let notifier = notifier(&discord, Arc::new(InMind::default()));
    let (queue, messages) = (Notes::default(), [finished("1", "a"), finished("2", "b")]);
    assert_eq!(handle(&notifier, &messages, &queue).await, ["m-1", "m-2"]);
    eventually("the end of the outage", Duration::from_mins(1), async || {
        Ok(handle(&notifier, &messages, &queue).await.is_empty().then_some(()))
    })
    .await
    .unwrap();
    assert!(Instant::now() >= over);
    assert_eq!(discord.messages().len(), 1);
    let delayed = queue.delayed.lock().unwrap();
    assert!(delayed.iter().all(|(_, wait)| (5..=10).contains(&wait.as_secs())));
    assert!(queue.parked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_dead_token_parks_with_its_cause() {
    let dead = |_: &_, _| Some(Fault::Status(401));
    let discord =
        Discord::start(DiscordRules { script: Some(Arc::new(dead)), ..DiscordRules::default() }).unwrap();
    let notifier = notifier(&discord, Arc::new(InMind::default()));
    let queue = Notes::default();
    assert!(handle(&notifier, &[finished("1", "a"), message("x", "hello")], &queue).await.is_empty());
    let parked = queue.parked.lock().unwrap();
    assert_eq!(parked.len(), 2);
    assert!(parked.iter().all(|(_, cause)| cause.code == "discord_token_dead"));
    assert!(parked[0].1.error.contains("make a new webhook or token"), "{}", parked[0].1.error);
}

#[tokio::test]
async fn a_backfill_is_one_message_that_is_edited_across_batches() {
    let discord = Discord::start(DiscordRules::default()).unwrap();
    let memory = Arc::new(InMind::default());
    let notifier = notifier(&discord, memory.clone());
    let queue = Notes::default();
    for message in [backfill("1", "backfill.started", 0), backfill("2", "backfill.started", 120)] {
        assert!(handle(&notifier, &[message], &queue).await.is_empty());
    }
    assert!(handle(&notifier, &[backfill("3", "backfill.finished", 300)], &queue).await.is_empty());
    let messages = discord.messages();
    assert_eq!((messages.len(), messages[0].edits), (1, 2));
    memory.known.lock().unwrap().insert("backfill:b1".into(), "999".into());
    assert!(handle(&notifier, &[backfill("4", "backfill.finished", 300)], &queue).await.is_empty());
    assert_eq!(discord.messages().len(), 2, "a message that someone deleted is posted anew");
    assert_eq!(discord.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn the_table_remembers_until_the_time_is_over() {
    let stack = Stack::get().await.unwrap();
    let (client, table) = (stack.dynamodb(), unique("notice-memory"));
    client
        .create_table()
        .table_name(&table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name("name")
                .attribute_type(ScalarAttributeType::S)
                .build()
                .unwrap(),
        )
        .key_schema(
            KeySchemaElement::builder().attribute_name("name").key_type(KeyType::Hash).build().unwrap(),
        )
        .send()
        .await
        .unwrap();
    let memory = DynamoMemory::new(client.clone(), table.clone());
    let names: Vec<String> = (0..130).map(|at| format!("n{at}")).collect();
    memory.remember(&names[..120], Some(("b1", "77"))).await.unwrap();
    let known = memory.recall(&[names.clone(), vec!["backfill:b1".into()]].concat()).await.unwrap();
    assert_eq!((known.len(), known["backfill:b1"].as_str()), (121, "77"));
    client
        .update_item()
        .table_name(&table)
        .key("name", aws_sdk_dynamodb::types::AttributeValue::S("n7".into()))
        .update_expression("SET expires_at = :past")
        .expression_attribute_values(":past", aws_sdk_dynamodb::types::AttributeValue::N("1".into()))
        .send()
        .await
        .unwrap();
    assert!(!memory.recall(&names).await.unwrap().contains_key("n7"), "its time is over");
    let missing = DynamoMemory::new(client, "no-such-table".into());
    assert!(missing.recall(&names[..1]).await.is_err());
}
