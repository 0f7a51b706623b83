//! Cards that show many test sessions with a line each.

use crate::card::{Card, Severity};
use crate::limits::DESCRIPTION;
use crate::session::SessionNotices;
use crate::text::{counted, length};

/// Lists the test sessions in as few cards as half of a description's limit allows.
pub fn digest(sessions: &[SessionNotices<'_>]) -> Vec<Card> {
    let mut cards: Vec<Card> = Vec::new();
    for session in sessions {
        let line = session.line();
        let fits = |card: &Card| length(&card.description) + 1 + length(&line) <= DESCRIPTION / 2;
        match cards.last_mut().filter(|card| fits(card)) {
            Some(card) => {
                card.description.push('\n');
                card.description.push_str(&line);
                card.notices.extend_from_slice(session.notices());
                card.senders.add(session.senders());
            }
            None => cards.push(Card {
                severity: Severity::Success,
                title: String::new(),
                description: line,
                fields: Vec::new(),
                picture: None,
                notices: session.notices().to_vec(),
                senders: session.senders(),
            }),
        }
    }
    for card in &mut cards {
        let lines = u64::try_from(card.description.lines().count()).unwrap_or_default();
        card.title = format!("{} written", counted(lines, "test session"));
    }
    cards
}
