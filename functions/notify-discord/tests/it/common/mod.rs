//! A notifier on a stub of Discord, and batches for it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "helpers of several test files, which may panic"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use notify_discord::{Channel, Memory, MemoryError, Notifier, Recalled, Shown, Tries};
use quiz_discord::{DiscordClient, DiscordError, Post, Target};
use quiz_events::{Backoff, ParkCause, QueueError, QueueMessage, SourceQueue};
use quiz_lambda::sqs::MessageHandler;
use quiz_stack::Discord;
use serde_json::json;
use tokio::time::Instant;

/// A queue that records parked and delayed messages.
#[derive(Default)]
pub struct QueueStub {
    pub parked: Mutex<Vec<(String, ParkCause)>>,
    pub delayed: Mutex<Vec<(String, Duration)>>,
}

#[async_trait]
impl SourceQueue for QueueStub {
    async fn park(&self, message: &QueueMessage, cause: &ParkCause) -> Result<(), QueueError> {
        self.parked.lock().unwrap().push((message.message_id.clone(), cause.clone()));
        Ok(())
    }

    async fn send(&self, _body: &str, _event_type: &str, _delay: Duration) -> Result<String, QueueError> {
        panic!("a notice has no follow-up")
    }

    async fn acknowledge(&self, _messages: &[&QueueMessage]) -> Result<(), QueueError> {
        Ok(())
    }

    async fn delay(&self, message: &QueueMessage, delay: Duration) -> Result<(), QueueError> {
        self.delayed.lock().unwrap().push((message.message_id.clone(), delay));
        Ok(())
    }

    async fn max_receive_count(&self) -> Result<Option<u32>, QueueError> {
        Ok(Some(5))
    }
}

/// A memory that can fail.
#[derive(Default)]
pub struct MemoryStub {
    pub known: Mutex<Recalled>,
    /// The notice that may post the first message of each card.
    pub claims: Mutex<HashMap<String, String>>,
    pub is_lost: bool,
}

impl MemoryStub {
    fn known(&self) -> Result<MutexGuard<'_, Recalled>, MemoryError> {
        if self.is_lost { Err(MemoryError("no table".into())) } else { Ok(self.known.lock().unwrap()) }
    }
}

#[async_trait]
impl Memory for MemoryStub {
    async fn recall(&self, notices: &[String], cards: &[String]) -> Result<Recalled, MemoryError> {
        let known = self.known()?;
        let cards = cards.iter().filter_map(|card| Some((card.clone(), known.cards.get(card)?.clone())));
        Ok(Recalled {
            notices: notices.iter().filter(|id| known.notices.contains(*id)).cloned().collect(),
            tries: notices.iter().filter_map(|id| Some((id.clone(), *known.tries.get(id)?))).collect(),
            cards: cards.collect(),
        })
    }

    async fn remember(&self, notices: &[String]) -> Result<(), MemoryError> {
        self.known()?.notices.extend(notices.iter().cloned());
        Ok(())
    }

    async fn note_tries(&self, notice: &str, tries: Tries) -> Result<(), MemoryError> {
        self.known()?.tries.insert(notice.to_owned(), tries);
        Ok(())
    }

    async fn claim_card(&self, card: &str, notice_id: &str) -> Result<bool, MemoryError> {
        drop(self.known()?);
        let mut claims = self.claims.lock().unwrap();
        Ok(claims.entry(card.to_owned()).or_insert_with(|| notice_id.to_owned()) == notice_id)
    }

    async fn remember_card(&self, card: &str, shown: &Shown) -> Result<Option<Shown>, MemoryError> {
        let mut known = self.known()?;
        let before = known.cards.get(card).cloned();
        if before.as_ref().is_none_or(|known| known.moment() <= shown.moment()) {
            known.cards.insert(card.to_owned(), shown.clone());
        }
        Ok(before)
    }
}

pub fn notifier(discord: &Discord, memory: Arc<dyn Memory>) -> Notifier {
    let target = Target::Webhook(discord.webhook_url());
    let client = DiscordClient::new(&target, Some(discord.url())).unwrap();
    let backoff = Backoff { first: Duration::from_secs(10), longest: Duration::from_mins(1) };
    Notifier { channel: Arc::new(client), memory, backoff }
}

pub fn finished(id: &str, session: &str) -> QueueMessage {
    let body = json!({
        "type": "sync.finished", "id": id, "at": "2026-11-21T08:36:04Z", "sink": "reports", "session_id": session,
        "quiz_id": "q", "test_name": session, "takers": 3, "ranked": 3, "rows_written": 15, "messages_coalesced": 3,
        "started_at": "2026-11-21T08:36:00Z", "duration_ms": 4000,
        "histogram": [{"from": 0.0, "to": 4.0, "takers": 3}],
    });
    message(id, &body.to_string())
}

pub fn message(id: &str, body: &str) -> QueueMessage {
    QueueMessage {
        message_id: format!("m-{id}"),
        body: body.to_owned(),
        receive_count: 1,
        ..QueueMessage::default()
    }
}

/// A notice of the backfill `b1`, sent at `second`.
pub fn backfill(id: &str, kind: &str, second: u32, done: u32) -> QueueMessage {
    let body = json!({
        "type": kind, "id": id, "at": format!("2026-11-21T08:36:{second:02}.5Z"), "backfill_id": "b1", "tests": 300, "done": done,
        "failed": 0,
    });
    message(id, &body.to_string())
}

pub async fn handle(notifier: &Notifier, messages: &[QueueMessage], queue: &QueueStub) -> Vec<String> {
    notifier.handle(messages, queue, Instant::now() + Duration::from_mins(1)).await
}

/// Each message in a batch of its own.
pub async fn handle_each(notifier: &Notifier, messages: &[QueueMessage]) {
    for message in messages {
        let failed = handle(notifier, std::slice::from_ref(message), &QueueStub::default()).await;
        assert_eq!(failed, Vec::<String>::new());
    }
}

/// A channel with a second instance, which handles a batch just before the first message is posted, or just after.
pub struct MeetingChannel {
    pub channel: Arc<dyn Channel>,
    pub other: Mutex<Option<(Notifier, QueueMessage)>>,
    pub is_before: bool,
    /// The second instance's messages that SQS must deliver again.
    pub again: Arc<Mutex<Vec<String>>>,
}

impl MeetingChannel {
    async fn meet(&self) {
        let other = self.other.lock().unwrap().take();
        if let Some((other, message)) = other {
            let failed = handle(&other, &[message], &QueueStub::default()).await;
            self.again.lock().unwrap().extend(failed);
        }
    }
}

#[async_trait]
impl Channel for MeetingChannel {
    async fn post(
        &self,
        post: &Post,
        edits: Option<&str>,
        deadline: Instant,
    ) -> Result<String, DiscordError> {
        if self.is_before {
            self.meet().await;
        }
        let answer = self.channel.post(post, edits, deadline).await;
        if !self.is_before {
            self.meet().await;
        }
        answer
    }
}
