//! Posts a batch of notices, and parks a notice that crashes the function.
//!
//! The problem: a notice can crash the function that posts it, and SQS redelivers a message whether the function answered
//! or crashed. So the memory counts the answered receives of each notice. A message with more receives than answers was in
//! a crashed run, and its notice is a suspect. Suspects are posted alone, after all others, the least tried first.
//! After four crashed tries alone the notice is parked.
//!
//! Invariants: each posted message is remembered at once, so a crash costs another notice only one more receive.
//! Without the memory nothing is a suspect, and notices are posted all the same.
//! Decision: `docs/decisions/0007-notices.md`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use quiz_discord::{DiscordError, Post, compose};
use quiz_events::{Backoff, NoticeMessage, ParkCause, QueueMessage, SourceQueue};
use quiz_lambda::sqs::MessageHandler;
use tokio::time::{Instant, timeout_at};

use crate::audit::log_actions;
use crate::channel::Channel;
use crate::failure::NoticeFailure;
use crate::memory::{Memory, Recalled, Shown, Tries};

/// Time that the function keeps to settle its messages after posting.
const RESERVE: Duration = Duration::from_secs(5);
/// The part of `RESERVE` that it keeps to answer Lambda.
const ANSWER: Duration = Duration::from_secs(1);
/// The most concurrent calls to the queue.
const CALLS: usize = 16;
/// A notice is parked after so many crashed tries alone.
const MAX_TRIES_ALONE: u32 = 4;

/// Posts batches of notices.
pub struct Notifier {
    pub channel: Arc<dyn Channel>,
    pub memory: Arc<dyn Memory>,
    pub backoff: Backoff,
}

#[async_trait]
impl MessageHandler for Notifier {
    /// Posts the notices of the messages; returns the ids of the messages that SQS must deliver again.
    async fn handle(
        &self,
        messages: &[QueueMessage],
        queue: &dyn SourceQueue,
        deadline: Instant,
    ) -> Vec<String> {
        let stop = deadline.checked_sub(RESERVE).unwrap_or_else(Instant::now);
        let notices: Vec<NoticeMessage> = messages.iter().map(QueueMessage::notice).collect();

        log_actions(&*self.memory, &notices).await;

        // Leave out posted notices and duplicates; separate the suspects.
        let recalled = self.recall(&notices).await;
        let is_recalled = recalled.is_some();
        let mut known = recalled.unwrap_or_default();
        let mut seen = HashSet::new();
        let (mut regular, mut suspects) = (Vec::new(), Vec::new());
        for (message, notice) in messages.iter().zip(&notices) {
            if known.notices.contains(notice.id()) || !seen.insert(notice.id().to_owned()) {
                continue;
            }
            let tries = known.tries.get(notice.id()).copied().unwrap_or_default();
            // Without the memory, a crashed receive looks like an answered one.
            let is_lost = message.receive_count > tries.answered.saturating_add(1);
            let is_suspect = is_recalled && (is_lost || tries.alone > 0);
            if is_suspect { suspects.push((tries, notice.clone())) } else { regular.push(notice.clone()) }
        }
        let fresh = regular.len() + suspects.len();

        // Post the regular notices together.
        let mut failures: HashMap<String, NoticeFailure> = HashMap::new();
        let mut posts = self.post_all(&regular, &mut known.cards, stop, &mut failures).await;

        // Post each suspect alone, and remember the try before it starts.
        suspects.sort_by_key(|(tries, _)| tries.alone);
        for (tries, notice) in suspects {
            if tries.alone >= MAX_TRIES_ALONE {
                failures.insert(notice.id().to_owned(), NoticeFailure::TriesCrash { tries: tries.alone });
                continue;
            }
            if Instant::now() < stop {
                self.note_tries(notice.id(), Tries { alone: tries.alone + 1, ..tries }).await;
            }
            posts += self.post_all(&[notice], &mut known.cards, stop, &mut failures).await;
        }

        // Park or delay the messages of failed notices.
        let failed = self.settle(messages, &notices, &failures, &known, queue, deadline).await;
        tracing::info!(
            messages = messages.len(),
            known = notices.len() - fresh,
            posts,
            failed = failed.len(),
            "notices posted"
        );
        failed
    }
}

impl Notifier {
    /// Posts notices in as few messages as possible; returns the number of messages.
    async fn post_all(
        &self,
        notices: &[NoticeMessage],
        cards: &mut HashMap<String, Shown>,
        stop: Instant,
        failures: &mut HashMap<String, NoticeFailure>,
    ) -> usize {
        let posts = compose(notices);
        for post in &posts {
            let posted = match timeout_at(stop, self.post(post, cards, stop)).await {
                Ok(posted) => posted.map_err(NoticeFailure::from),
                Err(_) => Err(NoticeFailure::NoTime),
            };
            match posted {
                Ok(()) => {
                    if let Err(error) = self.memory.remember(&post.notices).await {
                        tracing::warn!(
                            error = error.0,
                            "posted notices not remembered, a redelivery posts them again"
                        );
                    }
                }
                Err(error) => {
                    tracing::error!(error = %error, error_code = error.code(), "message not posted");
                    failures.extend(post.notices.iter().map(|id| (id.clone(), error.clone())));
                }
            }
        }
        posts.len()
    }

    async fn note_tries(&self, notice: &str, tries: Tries) {
        if let Err(error) = self.memory.note_tries(notice, tries).await {
            tracing::warn!(notice, error = error.0, "tries of the notice not remembered");
        }
    }

    /// Reads the memory of the notices and of their shared cards; `None` if the memory does not answer.
    async fn recall(&self, notices: &[NoticeMessage]) -> Option<Recalled> {
        let card = |notice: &NoticeMessage| match notice {
            NoticeMessage::Notice(notice) => Some(notice.card_update()?.card),
            _ => None,
        };
        let cards: Vec<String> = notices.iter().filter_map(card).collect();
        let ids: Vec<String> = notices.iter().map(|notice| notice.id().to_owned()).collect();
        let recalled = self.memory.recall(&ids, &cards).await;
        recalled
            .inspect_err(|error| {
                tracing::warn!(error = error.0, "memory not read, notices could be posted twice");
            })
            .ok()
    }

    async fn post(
        &self,
        post: &Post,
        cards: &mut HashMap<String, Shown>,
        stop: Instant,
    ) -> Result<(), DiscordError> {
        match &post.update {
            Some(notice) => self.show(post, notice, cards, stop).await,
            None => self.channel.post(post, None, stop).await.map(drop),
        }
    }

    /// Parks messages that no retry can post, and delays the others; returns the ids of the messages that SQS must deliver
    /// again.
    ///
    /// Ends before `deadline`: a message that is not settled in time returns after its visibility timeout.
    async fn settle(
        &self,
        messages: &[QueueMessage],
        notices: &[NoticeMessage],
        failures: &HashMap<String, NoticeFailure>,
        known: &Recalled,
        queue: &dyn SourceQueue,
        deadline: Instant,
    ) -> Vec<String> {
        let end = deadline.checked_sub(ANSWER).unwrap_or_else(Instant::now);
        let mut failed = Vec::new();
        for (message, notice) in messages.iter().zip(notices) {
            let Some(failure) = failures.get(notice.id()) else { continue };
            let tries = known.tries.get(notice.id()).copied().unwrap_or_default();
            let settled = self.settle_failed(message, notice.id(), failure, tries, queue);
            failed.push(async move {
                let is_parked = timeout_at(end, settled).await.unwrap_or(false);
                (!is_parked).then(|| message.message_id.clone())
            });
        }
        let kept: Vec<Option<String>> = stream::iter(failed).buffered(CALLS).collect().await;
        kept.into_iter().flatten().collect()
    }

    /// Parks or delays the message; returns whether it is parked.
    async fn settle_failed(
        &self,
        message: &QueueMessage,
        notice: &str,
        failure: &NoticeFailure,
        tries: Tries,
        queue: &dyn SourceQueue,
    ) -> bool {
        if !failure.is_retryable() {
            let cause = ParkCause {
                code: failure.code().to_owned(),
                error: failure.to_string(),
                parked_at: Timestamp::now(),
            };
            match queue.park(message, &cause).await {
                Ok(()) => {
                    // If it is replayed after crashes, it has one more try alone.
                    let alone = tries.alone.min(MAX_TRIES_ALONE - 1);
                    if alone > 0 {
                        self.note_tries(notice, Tries { alone, ..tries }).await;
                    }
                    return true;
                }
                Err(error) => tracing::error!(error = %error, "message not parked, it stays in the queue"),
            }
        }
        let wait = failure.retry_after().unwrap_or_else(|| self.backoff.wait(message.receive_count));
        tracing::info!(
            message_id = message.message_id,
            receive_count = message.receive_count,
            error_code = failure.code(),
            wait_s = wait.as_secs(),
            "message waits"
        );
        if let Err(error) = queue.delay(message, wait).await {
            tracing::warn!(error = %error, "delay not set, the message returns after its visibility timeout");
        }
        // This also answers a try alone that was noted before.
        self.note_tries(notice, Tries { answered: tries.answered.saturating_add(1), ..tries }).await;
        false
    }
}
