//! Cards that several notices share: a message for each card, with the newest of its notices.

use quiz_events::{CardUpdate, Notice, NoticeKind};

use crate::backfill::backfill_card;
use crate::card::Card;
use crate::outage::{outage_card, recovery_card};
use crate::post::Post;

/// Composes a message for each shared card; the notices may be in any order.
///
/// A notice that closes a card has a message of its own, and the notices after it have another one.
pub fn updates(notices: &[Notice]) -> Vec<Post> {
    let mut cards: Vec<Vec<(CardUpdate, &Notice)>> = Vec::new();
    for notice in notices {
        let Some(update) = notice.card_update() else { continue };
        let is_same_card = |card_notices: &&mut Vec<(CardUpdate, &Notice)>| {
            card_notices.first().is_some_and(|(known, _)| known.card == update.card)
        };
        match cards.iter_mut().find(is_same_card) {
            Some(card_notices) => card_notices.push((update, notice)),
            None => cards.push(vec![(update, notice)]),
        }
    }
    for card_notices in &mut cards {
        card_notices.sort_by_key(|(update, _)| update.moment);
    }
    let messages = cards.iter().flat_map(|notices| notices.chunk_by(|(a, _), (b, _)| a.closes == b.closes));
    messages.filter_map(post).collect()
}

fn post(message_notices: &[(CardUpdate, &Notice)]) -> Option<Post> {
    let (_, newest) = message_notices.last()?;
    Some(Post {
        embeds: vec![card(newest)?.fitted().embed()],
        pictures: Vec::new(),
        notices: message_notices.iter().map(|(_, notice)| notice.id.clone()).collect(),
        update: Some((*newest).clone()),
    })
}

fn card(notice: &Notice) -> Option<Card> {
    match &notice.kind {
        NoticeKind::BackfillStarted(backfill) => Some(backfill_card(notice, backfill, false)),
        NoticeKind::BackfillFinished(backfill) => Some(backfill_card(notice, backfill, true)),
        NoticeKind::OutageOpen(outage) => Some(outage_card(notice, outage)),
        NoticeKind::OutageOver(over) => Some(recovery_card(notice, over)),
        _ => None,
    }
}
