//! A card that several notices share. They come in any order, and to two instances at once.
//!
//! The memory keeps the notice that the card shows, and takes only a newer one. It answers what it had before, so an
//! instance that finds another notice there than it knew of has met a second instance: either may be what Discord has,
//! and the newer of the two is shown again. The notice that closes a card is a message of its own. Where no card is open
//! it is only remembered, so that a notice that arrives late does not open one.

use std::collections::HashMap;

use quiz_discord::{DiscordError, Post, compose};
use quiz_events::{CardUpdate, Notice, NoticeMessage};
use tokio::time::Instant;

use crate::batch::Notifier;
use crate::channel::Channel;
use crate::memory::{CLAIM, Shown};

/// How often a card is shown again because another instance showed it at the same time.
const AGAIN: u32 = 3;

impl Notifier {
    /// Edits the card, posts it, or posts what closes it, unless it shows as new a notice already. `cards` is what is
    /// known of cards by their names, and is kept up to date.
    pub(crate) async fn show(
        &self,
        post: &Post,
        notice: &Notice,
        cards: &mut HashMap<String, Shown>,
        stop: Instant,
    ) -> Result<(), DiscordError> {
        let Some(update) = notice.card_update() else { return Ok(()) };
        let card = update.card.as_str();
        let remembered = cards.get(card).cloned();
        if remembered.as_ref().is_some_and(|it| it.moment() >= Some(update.moment)) {
            tracing::info!(card, notice = notice.id, "card shows a newer notice");
            return Ok(());
        }
        let open = remembered.as_ref().filter(|it| it.is_open_for(&update));
        let message_id = match open {
            None if update.closes => String::new(),
            None => {
                self.claim(card, notice).await?;
                self.channel.post(post, None, stop).await?
            }
            Some(_) if update.closes => {
                self.claim(&closing(card), notice).await?;
                self.channel.post(post, None, stop).await?
            }
            Some(shown) => post_or_edit(&*self.channel, post, Some(&shown.message_id), stop).await?,
        };
        let shown = Shown { message_id, notice: Some(notice.clone()) };
        let shown = self.remember_shown(&update, shown, remembered, stop).await;
        cards.insert(update.card, shown);
        Ok(())
    }

    /// Leaves what is posted only once to one notice.
    async fn claim(&self, card: &str, notice: &Notice) -> Result<(), DiscordError> {
        match self.memory.claim_card(card, &notice.id).await {
            Ok(true) => Ok(()),
            // by then the message is there
            Ok(false) => Err(DiscordError::Busy { retry_after: CLAIM }),
            Err(error) => {
                tracing::warn!(card, error = error.0, "memory not asked: it could have two messages");
                Ok(())
            }
        }
    }

    /// Remembers what the card shows, and gives what it shows in the end. Nothing fails here: the notice is posted.
    async fn remember_shown(
        &self,
        update: &CardUpdate,
        mut shown: Shown,
        mut expected: Option<Shown>,
        stop: Instant,
    ) -> Shown {
        let card = update.card.as_str();
        for _ in 0..AGAIN {
            let found = match self.memory.remember_card(card, &shown).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(card, error = error.0, "card not remembered");
                    return shown;
                }
            };
            let Some(found) = found.filter(|it| Some(it) != expected.as_ref() && *it != shown) else {
                return shown;
            };
            // another instance was here
            let is_older = found.moment() > shown.moment();
            let (older, newer) = if is_older { (shown, found) } else { (found, shown) };
            let is_told = newer.closes() && !newer.message_id.is_empty();
            if is_told || older.closes() {
                return newer;
            }
            expected = Some(newer.clone());
            match self.show_again(&newer, stop).await {
                Ok(message_id) => shown = Shown { message_id, ..newer },
                Err(error) => {
                    tracing::warn!(card, error = %error, "card may show an older notice");
                    return newer;
                }
            }
        }
        shown
    }

    async fn show_again(&self, shown: &Shown, stop: Instant) -> Result<String, DiscordError> {
        let notice = shown.notice.iter().map(|it| NoticeMessage::Notice(Box::new(it.clone())));
        let mut message_id = shown.message_id.clone();
        for post in compose(&notice.collect::<Vec<_>>()) {
            let edits = Some(&*message_id).filter(|_| !shown.closes());
            message_id = post_or_edit(&*self.channel, &post, edits, stop).await?;
        }
        Ok(message_id)
    }
}

fn closing(card: &str) -> String {
    format!("{card}:closing")
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
            Err(DiscordError::UnknownMessage) => {}
            other => return other,
        }
    }
    channel.post(post, None, stop).await
}
