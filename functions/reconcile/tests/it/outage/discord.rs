//! The Discord channel, and the memory of its function.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use notify_discord::{Channel, Memory, MemoryError, Recalled, Shown, Tries};
use quiz_discord::{DiscordError, Post};
use tokio::time::Instant;

use crate::outage::services::{Service, Time};

/// How long a claim lasts, as in the table of the function.
const CLAIM: Duration = Duration::from_secs(10);

pub struct Discord {
    pub time: Arc<Time>,
    /// How often each notice was posted.
    pub posted: Mutex<HashMap<String, usize>>,
    pub posts: Mutex<usize>,
    pub edits: Mutex<usize>,
}

impl Discord {
    pub fn new(time: Arc<Time>) -> Self {
        Self { time, posted: Mutex::default(), posts: Mutex::default(), edits: Mutex::default() }
    }
}

#[async_trait]
impl Channel for Discord {
    async fn post(&self, post: &Post, edits: Option<&str>, _: Instant) -> Result<String, DiscordError> {
        if !self.time.answers(Service::Discord).await {
            return Err(DiscordError::Unreachable("no route to host".into()));
        }
        for notice in &post.notices {
            *self.posted.lock().unwrap().entry(notice.clone()).or_default() += 1;
        }
        if let Some(id) = edits {
            *self.edits.lock().unwrap() += 1;
            return Ok(id.to_owned());
        }
        let mut posts = self.posts.lock().unwrap();
        *posts += 1;
        Ok(posts.to_string())
    }
}

/// The memory of the function, as its table.
pub struct FakeMemory {
    pub time: Arc<Time>,
    pub known: Mutex<Recalled>,
    /// The notice that may post a card's first message, and the end of its claim.
    pub claims: Mutex<HashMap<String, (String, Duration)>>,
}

impl FakeMemory {
    pub fn new(time: Arc<Time>) -> Self {
        Self { time, known: Mutex::default(), claims: Mutex::default() }
    }

    async fn table(&self) -> Result<(), MemoryError> {
        if self.time.answers(Service::DynamoDb).await { Ok(()) } else { Err(MemoryError("no route".into())) }
    }
}

#[async_trait]
impl Memory for FakeMemory {
    async fn recall(&self, notices: &[String], _cards: &[String]) -> Result<Recalled, MemoryError> {
        self.table().await?;
        let known = self.known.lock().unwrap();
        Ok(Recalled {
            notices: notices.iter().filter(|id| known.notices.contains(*id)).cloned().collect(),
            tries: notices.iter().filter_map(|id| Some((id.clone(), *known.tries.get(id)?))).collect(),
            cards: known.cards.clone(),
        })
    }

    async fn remember(&self, notices: &[String]) -> Result<(), MemoryError> {
        self.table().await?;
        self.known.lock().unwrap().notices.extend(notices.iter().cloned());
        Ok(())
    }

    async fn note_tries(&self, notice: &str, tries: Tries) -> Result<(), MemoryError> {
        self.table().await?;
        self.known.lock().unwrap().tries.insert(notice.to_owned(), tries);
        Ok(())
    }

    async fn claim_card(&self, card: &str, notice_id: &str) -> Result<bool, MemoryError> {
        self.table().await?;
        let now = self.time.elapsed();
        let mut claims = self.claims.lock().unwrap();
        let is_free = claims.get(card).is_none_or(|(owner, until)| owner == notice_id || *until <= now);
        if is_free {
            claims.insert(card.to_owned(), (notice_id.to_owned(), now + CLAIM));
        }
        Ok(is_free)
    }

    async fn remember_card(&self, card: &str, shown: &Shown) -> Result<Option<Shown>, MemoryError> {
        self.table().await?;
        let mut known = self.known.lock().unwrap();
        let before = known.cards.get(card).cloned();
        if before.as_ref().is_none_or(|card| card.moment() <= shown.moment()) {
            known.cards.insert(card.to_owned(), shown.clone());
        }
        Ok(before)
    }
}
