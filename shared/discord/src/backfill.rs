//! What a backfill's message shows while it runs, and once it is over.

use std::collections::HashSet;

use quiz_events::{Backfill, BackfillFailure, Notice};

use crate::card::{Card, Outcome};
use crate::senders::Senders;
use crate::text::{ago, count, counted, plain};

/// How many failures are told; the rest are counted.
const FAILURES: usize = 10;
const SESSION: usize = 120;
const CAUSE: usize = 240;
/// The bar's width in characters.
const BAR: u64 = 20;

/// The card that each notice of the backfill edits.
pub fn of_backfill(notice: &Notice, backfill: &Backfill, is_over: bool) -> Card {
    let is_whole = backfill.done >= backfill.tests;
    let has_failures = backfill.failed > 0;
    let outcome = match (is_over, has_failures) {
        (true, true) => Outcome::Bad,
        (true, false) if is_whole => Outcome::Good,
        (false, false) => Outcome::News,
        (true, false) | (false, true) => Outcome::Odd,
    };
    let what = if is_over { "finished" } else { "running" };
    let failed = if has_failures { format!(", {} failed", count(backfill.failed)) } else { String::new() };
    let title = format!("Backfill of {} {what}{failed}", counted(backfill.tests, "test"));
    let mut lines = Vec::new();
    lines.extend(bar(backfill));
    lines.extend(backfill.reason.as_deref().map(|it| plain(it, 300)));
    lines.extend(backfill.requested_by.as_deref().map(|it| format!("by {}", plain(it, 100))));
    lines.extend(backfill.started_at.map(|at| format!("started {}", ago(at))));
    lines.push(format!("{what} as of {}", ago(notice.at)));
    let mut fields = vec![
        ("Done".to_owned(), format!("{} of {}", count(backfill.done), count(backfill.tests)), true),
        ("Failed".to_owned(), count(backfill.failed), true),
    ];
    if backfill.retrying > 0 {
        fields.push(("Retrying".to_owned(), count(backfill.retrying), true));
    }
    fields.extend(backfill.failures.iter().take(FAILURES).map(failure));
    fields.extend(next_step(backfill, has_failures, is_over && !is_whole));
    Card {
        outcome,
        title,
        description: lines.join("\n"),
        fields,
        picture: None,
        notices: Vec::new(),
        senders: Senders::of([notice]),
    }
}

/// How much of it is settled, done or failed: `▰▰▰▰▰▱▱▱▱▱ 50 %`. It is full only when all of it is.
fn bar(backfill: &Backfill) -> Option<String> {
    let settled = backfill.done.saturating_add(backfill.failed).min(backfill.tests);
    let of = |whole: u64| settled.saturating_mul(whole).checked_div(backfill.tests);
    let (full, percent) = (of(BAR)?, of(100)?);
    let signs: String = (0..BAR).map(|at| if at < full { '▰' } else { '▱' }).collect();
    Some(format!("{signs} {percent} %"))
}

fn failure(failure: &BackfillFailure) -> (String, String, bool) {
    let name = format!("{} {}", failure.sink, plain(&failure.session_id, SESSION));
    (name, plain(&failure.error, CAUSE), false)
}

/// What an operator does where not all of it is done.
fn next_step(backfill: &Backfill, has_failures: bool, is_short: bool) -> Option<(String, String, bool)> {
    let mut lines = Vec::new();
    if has_failures {
        lines.extend(
            not_told(backfill).map(|more| format!("{} not shown here.", counted(more, "more failure"))),
        );
        lines.push("`quiz-etl dlq list` tells what failed, and why.".to_owned());
        lines.push("Mend the cause, then `quiz-etl dlq replay …` sends it again.".to_owned());
    }
    if has_failures || is_short {
        lines.push("`quiz-etl status` tells which tests are yet behind.".to_owned());
    }
    (!lines.is_empty()).then(|| ("What to do".to_owned(), lines.join("\n"), false))
}

/// How many failures are beyond those told: the notice need not list all.
fn not_told(backfill: &Backfill) -> Option<u64> {
    let told: HashSet<&str> =
        backfill.failures.iter().take(FAILURES).map(|it| it.session_id.as_str()).collect();
    let listed = backfill.failures.len().saturating_sub(FAILURES);
    let tests = backfill.failed.saturating_sub(u64::try_from(told.len()).unwrap_or_default());
    let more = tests.max(u64::try_from(listed).unwrap_or_default());
    (more > 0).then_some(more)
}
