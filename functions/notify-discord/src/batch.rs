use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quiz_discord::{DiscordError, Post, compose};
use quiz_events::{NoticeMessage, QueueMessage};
use quiz_messaging::{Backoff, ParkCause, SourceQueue};
use tokio::time::Instant;

use crate::connect::Channel;
use crate::memory::{Memory, Recalled};

/// What the function needs to answer once all is posted.
const RESERVE: Duration = Duration::from_secs(5);

/// Posts batches of notices.
pub struct Notifier {
    pub channel: Arc<dyn Channel>,
    pub memory: Arc<dyn Memory>,
    pub backoff: Backoff,
}

impl Notifier {
    /// Posts what the messages tell; gives the ids of those that are to come again.
    pub async fn handle(
        &self,
        messages: &[QueueMessage],
        queue: &dyn SourceQueue,
        deadline: Instant,
    ) -> Vec<String> {
        let stop = deadline.checked_sub(RESERVE).unwrap_or_else(Instant::now);
        let notices: Vec<NoticeMessage> = messages.iter().map(QueueMessage::notice).collect();
        let known = self.known(&notices).await;
        let mut told = HashSet::new();
        let fresh: Vec<NoticeMessage> = notices
            .iter()
            .filter(|notice| !known.notices.contains(notice.id()) && told.insert(notice.id().to_owned()))
            .cloned()
            .collect();
        let mut failures: HashMap<String, DiscordError> = HashMap::new();
        let posts = compose(&fresh);
        let count = posts.len();
        for post in posts {
            match self.post(&post, &known, stop).await {
                Ok(()) => {
                    if let Err(error) = self.memory.remember(&post.notices).await {
                        tracing::warn!(error = error.0, "notices not remembered: they could be posted twice");
                    }
                }
                Err(error) => {
                    tracing::error!(error = %error, error_code = error.code(), "message not posted");
                    failures.extend(post.notices.iter().map(|id| (id.clone(), error.clone())));
                }
            }
        }
        let failed = self.settle(messages, &notices, &failures, queue).await;
        tracing::info!(
            messages = messages.len(),
            known = notices.len() - fresh.len(),
            posts = count,
            failed = failed.len(),
            "notices posted"
        );
        failed
    }

    /// What is remembered of the notices, and of the backfills that they are of.
    async fn known(&self, notices: &[NoticeMessage]) -> Recalled {
        let backfill = |notice: &NoticeMessage| match notice {
            NoticeMessage::Notice(notice) => Some(notice.backfill()?.0.backfill_id.clone()),
            _ => None,
        };
        let backfills: Vec<String> = notices.iter().filter_map(backfill).collect();
        let ids: Vec<String> = notices.iter().map(|it| it.id().to_owned()).collect();
        match self.memory.recall(&ids, &backfills).await {
            Ok(known) => known,
            Err(error) => {
                tracing::warn!(error = error.0, "memory not asked: notices could be posted twice");
                Recalled::default()
            }
        }
    }

    async fn post(&self, post: &Post, known: &Recalled, stop: Instant) -> Result<(), DiscordError> {
        let Some(notice) = &post.backfill else {
            return self.channel.post(post, None, stop).await.map(drop);
        };
        let id = notice.backfill().map(|(backfill, _)| backfill.backfill_id.as_str());
        let remembered = id.and_then(|id| known.backfills.get(id));
        self.show_backfill(post, notice, remembered, stop).await
    }

    /// Parks what can never be posted, delays what may yet be.
    async fn settle(
        &self,
        messages: &[QueueMessage],
        notices: &[NoticeMessage],
        failures: &HashMap<String, DiscordError>,
        queue: &dyn SourceQueue,
    ) -> Vec<String> {
        let mut failed = Vec::new();
        for (message, notice) in messages.iter().zip(notices) {
            let Some(error) = failures.get(notice.id()) else { continue };
            if !error.is_retryable() {
                let cause = ParkCause {
                    code: error.code().to_owned(),
                    error: error.to_string(),
                    parked_at: Timestamp::now(),
                };
                match queue.park(message, &cause).await {
                    Ok(()) => continue,
                    Err(error) => tracing::error!(error = %error, "message not parked, kept"),
                }
            }
            let wait = match error {
                DiscordError::Busy { retry_after } => *retry_after,
                _ => self.backoff.wait(message.receive_count),
            };
            if let Err(error) = queue.delay(message, wait).await {
                tracing::warn!(error = %error, "visibility not changed");
            }
            failed.push(message.message_id.clone());
        }
        failed
    }
}
