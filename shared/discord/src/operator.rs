//! The compact card of an operator's action. Its full record is the log of `notify-discord`.

use quiz_events::{Notice, OperatorActed};

use crate::card::{Card, Severity};
use crate::senders::Senders;
use crate::text::{ago, plain};

/// How many test sessions the card names.
const SESSIONS: usize = 3;

/// The card of the action; `None` for a backfill, whose own card says who began it, and why.
pub fn operator_card(notice: &Notice, acted: &OperatorActed) -> Option<Card> {
    if acted.action == OperatorActed::BACKFILL {
        return None;
    }
    let is_final = [OperatorActed::DROP, OperatorActed::ERASE].contains(&&*acted.action);
    let by = acted.by.as_deref().map(|name| format!("{}, ", plain(name, 100))).unwrap_or_default();
    let mut lines = Vec::new();
    lines.extend(acted.reason.as_deref().map(|reason| format!("reason: {}", plain(reason, 500))));
    lines.push(format!("by {by}{} {}", plain(&acted.identity, 200), ago(notice.at)));
    let named: Vec<String> = acted.session_ids.iter().take(SESSIONS).map(|id| plain(id, 100)).collect();
    lines.extend((!named.is_empty()).then(|| named.join(", ")));
    Some(Card {
        severity: if is_final { Severity::Warning } else { Severity::Info },
        title: format!("Operator: {} {}", plain(&acted.action, 40), plain(&acted.target, 180)),
        description: lines.join("\n"),
        fields: Vec::new(),
        picture: None,
        notices: vec![notice.id.clone()],
        senders: Senders::of([notice]),
    })
}
