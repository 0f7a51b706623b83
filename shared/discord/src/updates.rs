//! Cards that several notices share: one message for each, of the newest of its notices.

use quiz_events::{CardUpdate, Notice, NoticeKind};

use crate::backfill::of_backfill;
use crate::card::Card;
use crate::outage::{of_outage, of_outage_over};
use crate::post::Post;

/// A message for each shared card, in any order of its notices. A notice that closes the card is a message of its
/// own, and what comes after it another one.
pub fn updates(notices: &[Notice]) -> Vec<Post> {
    let mut cards: Vec<Vec<(CardUpdate, &Notice)>> = Vec::new();
    for notice in notices {
        let Some(update) = notice.card_update() else { continue };
        let is_known = |of_card: &&mut Vec<(CardUpdate, &Notice)>| {
            of_card.first().is_some_and(|(known, _)| known.card == update.card)
        };
        match cards.iter_mut().find(is_known) {
            Some(of_card) => of_card.push((update, notice)),
            None => cards.push(vec![(update, notice)]),
        }
    }
    for of_card in &mut cards {
        of_card.sort_by_key(|(update, _)| update.moment);
    }
    let messages = cards.iter().flat_map(|of_card| of_card.chunk_by(|(a, _), (b, _)| a.closes == b.closes));
    messages.filter_map(post).collect()
}

fn post(of_message: &[(CardUpdate, &Notice)]) -> Option<Post> {
    let (_, newest) = of_message.last()?;
    Some(Post {
        embeds: vec![card(newest)?.fitted().embed()],
        pictures: Vec::new(),
        notices: of_message.iter().map(|(_, notice)| notice.id.clone()).collect(),
        update: Some((*newest).clone()),
    })
}

fn card(notice: &Notice) -> Option<Card> {
    match &notice.kind {
        NoticeKind::BackfillStarted(backfill) => Some(of_backfill(notice, backfill, false)),
        NoticeKind::BackfillFinished(backfill) => Some(of_backfill(notice, backfill, true)),
        NoticeKind::OutageOpen(outage) => Some(of_outage(notice, outage)),
        NoticeKind::OutageOver(over) => Some(of_outage_over(notice, over)),
        _ => None,
    }
}
