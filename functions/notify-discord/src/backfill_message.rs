//! A backfill's one message. Its notices come in any order, and to two instances at once.

use quiz_discord::{DiscordError, Post, compose};
use quiz_events::{Notice, NoticeMessage};
use tokio::time::Instant;

use crate::batch::Notifier;
use crate::connect::Channel;
use crate::memory::{CLAIM, Shown};

/// How often a message is edited anew because another instance edited it meanwhile.
const AGAIN: u32 = 3;

impl Notifier {
    /// Edits the backfill's message, or posts it, unless it shows as new a notice already. Where another instance
    /// showed its notice at the same time, either may be what Discord has: the newer of them is shown again.
    pub(crate) async fn show_backfill(
        &self,
        post: &Post,
        notice: &Notice,
        remembered: Option<&Shown>,
        stop: Instant,
    ) -> Result<(), DiscordError> {
        let Some((backfill, moment)) = notice.backfill() else { return Ok(()) };
        let backfill_id = backfill.backfill_id.as_str();
        if remembered.is_some_and(|it| it.moment() >= Some(moment)) {
            tracing::info!(backfill_id, notice = notice.id, "its message shows a newer notice");
            return Ok(());
        }
        if remembered.is_none() {
            match self.memory.claim_backfill(backfill_id, &notice.id).await {
                Ok(true) => {}
                // by then the message is there to be edited
                Ok(false) => return Err(DiscordError::Busy { retry_after: CLAIM }),
                Err(error) => {
                    tracing::warn!(
                        backfill_id,
                        error = error.0,
                        "memory not asked: it could have two messages"
                    );
                }
            }
        }
        let edits = remembered.map(|it| it.message_id.as_str());
        let message_id = post_or_edit(&*self.channel, post, edits, stop).await?;
        let mut shown = Shown { message_id, notice: Some(notice.clone()) };
        let mut expected = remembered.cloned();
        for _ in 0..AGAIN {
            let found = match self.memory.remember_backfill(backfill_id, &shown).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(backfill_id, error = error.0, "backfill's message not remembered");
                    return Ok(());
                }
            };
            if found == expected || found.as_ref() == Some(&shown) {
                return Ok(());
            }
            shown = found.filter(|it| it.moment() > shown.moment()).unwrap_or(shown);
            expected = Some(shown.clone());
            match self.show_again(&shown, stop).await {
                Ok(message_id) => shown.message_id = message_id,
                Err(error) => {
                    tracing::warn!(backfill_id, error = %error, "backfill's message may show an older notice");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn show_again(&self, shown: &Shown, stop: Instant) -> Result<String, DiscordError> {
        let notice = shown.notice.iter().map(|it| NoticeMessage::Notice(Box::new(it.clone())));
        let mut message_id = shown.message_id.clone();
        for post in compose(&notice.collect::<Vec<_>>()) {
            message_id = post_or_edit(&*self.channel, &post, Some(&message_id), stop).await?;
        }
        Ok(message_id)
    }
}

/// Edits the message where there is one; one that was deleted is posted anew.
async fn post_or_edit(
    channel: &dyn Channel,
    post: &Post,
    edits: Option<&str>,
    stop: Instant,
) -> Result<String, DiscordError> {
    if edits.is_some() {
        match channel.post(post, edits, stop).await {
            Err(DiscordError::Dead { status: 404, .. }) => {}
            other => return other,
        }
    }
    channel.post(post, None, stop).await
}
