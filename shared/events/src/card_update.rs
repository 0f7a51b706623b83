//! Cards that several notices share: the first one posts the card, the later ones edit it.
//!
//! Notices arrive in any order, so each names its card and its moment, and the newest is shown. A backfill has one card,
//! and a notice that it is over is newer than all that it runs. The card of an outage is edited by each pass of
//! reconcile; the notice that the outage is over closes the card with a card of its own, and the next outage of the same
//! service has a new one. See docs/decisions/0014-outages.md.

use jiff::{SignedDuration, Timestamp};

/// Reconcile updates an open card each 15 minutes, and says for two hours that it is over.
const OUTAGE_SILENCE: SignedDuration = SignedDuration::from_hours(3);

/// What a notice does to a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardUpdate {
    /// Names the card: `backfill:…`, `outage:MongoDB`.
    pub card: String,
    pub moment: Moment,
    /// It edits nothing, but is posted below a card that is open, which is closed by it.
    pub closes: bool,
    /// A card that was not updated for so long is left as it is, and a new one is posted.
    pub forgotten_after: Option<SignedDuration>,
}

impl CardUpdate {
    pub(crate) fn of_backfill(backfill_id: &str, is_over: bool, at: Timestamp) -> Self {
        let moment = Moment { is_over, at };
        Self { card: format!("backfill:{backfill_id}"), moment, closes: false, forgotten_after: None }
    }

    /// An outage may follow another one of the same service, so only the time tells which notice is newer.
    pub(crate) fn of_outage(dependency: &str, is_over: bool, at: Timestamp) -> Self {
        let (card, moment) = (format!("outage:{dependency}"), Moment { is_over: false, at });
        Self { card, moment, closes: is_over, forgotten_after: Some(OUTAGE_SILENCE) }
    }
}

/// Orders the updates of one card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Nothing comes after it, even where the clock of a sender says so.
    pub is_over: bool,
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::Moment;
    use crate::{Notice, NoticeKind, Outage, OutageOver};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn final_update_is_newer_than_all_others() {
        let moment = |is_over, second| Moment { is_over, at: at(second) };
        let mut moments = [moment(true, 5), moment(false, 9), moment(true, 7), moment(false, 1)];
        moments.sort();
        assert_eq!(moments, [moment(false, 1), moment(false, 9), moment(true, 5), moment(true, 7)]);
    }

    #[test]
    fn outages_of_one_service_share_a_card_name() {
        let dependency = || "MongoDB".to_owned();
        let open = NoticeKind::OutageOpen(Outage { dependency: dependency(), ..Outage::default() });
        let over = NoticeKind::OutageOver(OutageOver { dependency: dependency(), ..OutageOver::default() });
        let first = Notice::new("1", at(5), over).card_update().unwrap();
        let second = Notice::new("2", at(6), open).card_update().unwrap();
        assert_eq!((&*first.card, &first.card), ("outage:MongoDB", &second.card));
        assert_eq!((first.closes, second.closes), (true, false));
        assert!(first.moment < second.moment, "an outage may follow another one");
    }
}
