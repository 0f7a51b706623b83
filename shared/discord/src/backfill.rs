//! The card of a backfill: each notice of the backfill edits it.

use std::collections::HashSet;

use quiz_events::{Backfill, BackfillFailure, Notice};

use crate::card::{Card, Severity};
use crate::next_step::next_step;
use crate::senders::Senders;
use crate::text::{ago, count, counted, plain};

/// How many failures the card lists; it counts the rest.
const FAILURES: usize = 10;
const SESSION: usize = 120;
const CAUSE: usize = 240;
/// The bar's width in characters.
const BAR: u64 = 20;

/// The card of a running backfill, or of a finished one (`is_over`).
pub fn backfill_card(notice: &Notice, backfill: &Backfill, is_over: bool) -> Card {
    let is_complete = backfill.done >= backfill.tests;
    let has_failures = backfill.failed > 0;
    let severity = match (is_over, has_failures) {
        (true, true) => Severity::Failure,
        (true, false) if is_complete => Severity::Success,
        (false, false) => Severity::Info,
        (true, false) | (false, true) => Severity::Warning,
    };
    let state = if is_over { "finished" } else { "running" };
    let failed = if has_failures { format!(", {} failed", count(backfill.failed)) } else { String::new() };
    let title = format!("Backfill of {} {state}{failed}", counted(backfill.tests, "test session"));
    let mut lines = Vec::new();
    lines.extend(bar(backfill));
    lines.extend(backfill.reason.as_deref().map(|reason| plain(reason, 300)));
    lines.extend(backfill.requested_by.as_deref().map(|person| format!("by {}", plain(person, 100))));
    lines.extend(backfill.started_at.map(|at| format!("started {}", ago(at))));
    lines.push(format!("{state} as of {}", ago(notice.at)));
    let mut fields = vec![
        ("Done".to_owned(), format!("{} of {}", count(backfill.done), count(backfill.tests)), true),
        ("Failed".to_owned(), count(backfill.failed), true),
    ];
    if backfill.retrying > 0 {
        fields.push(("Retrying".to_owned(), count(backfill.retrying), true));
    }
    fields.extend(backfill.failures.iter().take(FAILURES).map(failure_field));
    fields.extend(operator_step(backfill, has_failures, is_over && !is_complete));
    Card {
        severity,
        title,
        description: lines.join("\n"),
        fields,
        picture: None,
        notices: Vec::new(),
        senders: Senders::of([notice]),
    }
}

/// The share that is done or failed: `▰▰▰▰▰▱▱▱▱▱ 50 %`. The bar is full only at 100 %.
fn bar(backfill: &Backfill) -> Option<String> {
    let settled = backfill.done.saturating_add(backfill.failed).min(backfill.tests);
    let share = |whole: u64| settled.saturating_mul(whole).checked_div(backfill.tests);
    let (full, percent) = (share(BAR)?, share(100)?);
    let signs: String = (0..BAR).map(|at| if at < full { '▰' } else { '▱' }).collect();
    Some(format!("{signs} {percent} %"))
}

fn failure_field(failure: &BackfillFailure) -> (String, String, bool) {
    let name = format!("{} {}", failure.sink, plain(&failure.session_id, SESSION));
    (name, plain(&failure.error, CAUSE), false)
}

/// Commands for the operator if some test sessions failed or are not done.
fn operator_step(backfill: &Backfill, has_failures: bool, is_short: bool) -> Option<(String, String, bool)> {
    let mut lines = Vec::new();
    if has_failures {
        let hidden = hidden_failures(backfill);
        lines.extend(hidden.map(|more| format!("{} not shown here.", counted(more, "more failure"))));
        lines.push("`quiz-etl dlq list` shows each parked message and its cause.".to_owned());
        lines.push("Fix the cause, then run `quiz-etl dlq replay …`.".to_owned());
    }
    if has_failures || is_short {
        lines.push("`quiz-etl status` lists the stale test sessions.".to_owned());
        lines.push("docs/RUNBOOK.md, run-a-backfill".to_owned());
    }
    (!lines.is_empty()).then(|| next_step(&lines))
}

/// The number of failures that the card does not list. The notice itself need not list all.
fn hidden_failures(backfill: &Backfill) -> Option<u64> {
    let shown: HashSet<&str> =
        backfill.failures.iter().take(FAILURES).map(|failure| failure.session_id.as_str()).collect();
    let unlisted = backfill.failures.len().saturating_sub(FAILURES);
    let sessions = backfill.failed.saturating_sub(u64::try_from(shown.len()).unwrap_or_default());
    let more = sessions.max(u64::try_from(unlisted).unwrap_or_default());
    (more > 0).then_some(more)
}
