//! Cards that several notices share: the first notice posts the card, later notices edit it.
//!
//! Notices arrive in any order, so each names its card and its moment, and the card shows the newest. A backfill has one
//! card, and its final notice is newer than all others. Each pass of reconcile edits the card of an outage. The end of the
//! outage is a new card that closes the old one, and the next outage of the same service gets another card.
//! See docs/decisions/0014-outages.md.

use jiff::{SignedDuration, Timestamp};

/// The longest silence of an open outage: reconcile updates an open card every 15 minutes, and repeats the end of an outage
/// for two hours.
const OUTAGE_SILENCE: SignedDuration = SignedDuration::from_hours(3);

/// The change of a card by a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardUpdate {
    /// The name of the card: `backfill:…`, `outage:MongoDB`.
    pub card: String,
    /// The order of this update among the updates of the card.
    pub moment: Moment,
    /// Whether the notice is posted as a new card and closes the open one.
    pub closes: bool,
    /// A card without an update for this long is not edited any more; a new card is posted.
    pub forgotten_after: Option<SignedDuration>,
}

impl CardUpdate {
    pub(crate) fn for_backfill(backfill_id: &str, is_over: bool, at: Timestamp) -> Self {
        let moment = Moment { is_over, at };
        Self { card: format!("backfill:{backfill_id}"), moment, closes: false, forgotten_after: None }
    }

    /// The update of an outage. Outages of the same service follow each other, so only the time orders their notices.
    pub(crate) fn for_outage(dependency: &str, is_over: bool, at: Timestamp) -> Self {
        let (card, moment) = (format!("outage:{dependency}"), Moment { is_over: false, at });
        Self { card, moment, closes: is_over, forgotten_after: Some(OUTAGE_SILENCE) }
    }
}

/// The order of the updates of one card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Whether this is the final update, which is newer than all others by any clock.
    pub is_over: bool,
    /// When the notice was made.
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
