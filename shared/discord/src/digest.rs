//! Many tests at once, a line each.

use crate::card::{Card, Outcome};
use crate::limits::DESCRIPTION;
use crate::tests_of_batch::OfTest;
use crate::text::{counted, length};

/// Cards that list the tests.
pub fn digest(tests: &[OfTest<'_>]) -> Vec<Card> {
    let mut cards: Vec<Card> = Vec::new();
    for test in tests {
        let line = test.line();
        let fits = |card: &Card| length(&card.description) + 1 + length(&line) <= DESCRIPTION / 2;
        match cards.last_mut().filter(|card| fits(card)) {
            Some(card) => {
                card.description.push('\n');
                card.description.push_str(&line);
                card.notices.extend_from_slice(test.notices());
                card.senders.add(test.senders());
            }
            None => cards.push(Card {
                outcome: Outcome::Good,
                title: String::new(),
                description: line,
                fields: Vec::new(),
                picture: None,
                notices: test.notices().to_vec(),
                senders: test.senders(),
            }),
        }
    }
    for card in &mut cards {
        let lines = u64::try_from(card.description.lines().count()).unwrap_or_default();
        card.title = format!("{} written", counted(lines, "test"));
    }
    cards
}
