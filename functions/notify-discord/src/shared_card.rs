//! Shows a card that several notices share: the first posts the message, later ones edit it.
//!
//! The problem: the notices come in any order, and to two instances at the same time.
//! The memory keeps the notice that the card shows, accepts only a newer one, and returns its previous entry. If that entry
//! is not the expected one, another instance edited the card at the same time, and Discord may show either notice. So the
//! instance shows the newer of the two again.
//!
//! Invariants: the card ends with its newest notice. A notice that closes a card is a message of its own; if no card is
//! open it is only remembered, so that a late notice does not open a card.
//! Decision: `docs/decisions/0007-notices.md`.

use std::collections::HashMap;

use quiz_discord::{DiscordError, Post, compose};
use quiz_events::{CardUpdate, Notice, NoticeMessage};
use tokio::time::Instant;

use crate::channel::Channel;
use crate::memory::{CLAIM, Shown};
use crate::notifier::Notifier;

/// How often a card is shown again after another instance edited it at the same time.
const MAX_ROUNDS: u32 = 3;

impl Notifier {
    /// Posts or edits the card, or posts the message that closes it; does nothing if the card shows this notice or a newer
    /// one.
    ///
    /// `cards` holds what the cards show, by name, and is updated.
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
        if remembered.as_ref().is_some_and(|shown| shown.moment() >= Some(update.moment)) {
            tracing::info!(card, notice = notice.id, "card shows a newer notice");
            return Ok(());
        }
        let open = remembered.as_ref().filter(|shown| shown.is_open_for(&update));
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

    /// Claims the right to post the message; `Busy` if another notice has it.
    async fn claim(&self, card: &str, notice: &Notice) -> Result<(), DiscordError> {
        match self.memory.claim_card(card, &notice.id).await {
            Ok(true) => Ok(()),
            // The other notice's message is posted by then.
            Ok(false) => Err(DiscordError::Busy { retry_after: CLAIM }),
            Err(error) => {
                tracing::warn!(card, error = error.0, "memory not read, the card could have two messages");
                Ok(())
            }
        }
    }

    /// Remembers what the card shows, and returns what it shows in the end.
    ///
    /// Errors are only logged, as the notice is posted.
    async fn remember_shown(
        &self,
        update: &CardUpdate,
        mut shown: Shown,
        mut expected: Option<Shown>,
        stop: Instant,
    ) -> Shown {
        let card = update.card.as_str();
        for _ in 0..MAX_ROUNDS {
            let found = match self.memory.remember_card(card, &shown).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(card, error = error.0, "card not remembered");
                    return shown;
                }
            };
            let Some(found) = found.filter(|found| Some(found) != expected.as_ref() && *found != shown)
            else {
                return shown;
            };
            // Another instance edited the card: keep the newer notice.
            let is_older = found.moment() > shown.moment();
            let (older, newer) = if is_older { (shown, found) } else { (found, shown) };
            let is_posted = newer.closes() && !newer.message_id.is_empty();
            if is_posted || older.closes() {
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
        let notice = shown.notice.iter().map(|notice| NoticeMessage::Notice(Box::new(notice.clone())));
        let mut message_id = shown.message_id.clone();
        for post in compose(&notice.collect::<Vec<_>>()) {
            let edits = Some(&*message_id).filter(|_| !shown.closes());
            message_id = post_or_edit(&*self.channel, &post, edits, stop).await?;
        }
        Ok(message_id)
    }
}

/// The claim's name for the message that closes the card.
fn closing(card: &str) -> String {
    format!("{card}:closing")
}

/// Edits the message, or posts a new one if there is none or it was deleted.
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
