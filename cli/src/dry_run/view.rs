//! What a dry run shows on a terminal, as text: nothing here prints.

use quiz_domain::round2;
use quiz_events::Sink;

use crate::dry_run::changes::{Change, LargestChanges, OldAndNew};
use crate::dry_run::difference::{ItemCounts, ReportCounts, TestDifference};
use crate::dry_run::tried::{FailedTest, Tried};
use crate::ui::{Ink, cohort, count, counted, excerpt, short, table};

/// One test: what would become of its reports, items and rows, what is wrong with its documents, and for whom most
/// would change.
#[must_use]
pub fn difference(test: &TestDifference, ink: Ink) -> String {
    let name = ink.strong(&excerpt(&test.test_name));
    let mut lines = vec![format!("would sync {name} {}", ink.quiet(&short(&test.session_id)))];
    lines.push(match test.participants {
        0 => "  nobody has attempted it yet".to_owned(),
        participants => format!("  {}", cohort(participants, test.ranked, test.is_form)),
    });
    lines.push(format!("  reports: {}", reports(test.reports, ink)));
    lines.extend(test.items.iter().map(|it| format!("  {}: {}", it.table.default_name(), items(it))));
    match &test.rows {
        Some(Ok(_)) => lines.push(format!("  warehouse: {} to write", counted(test.row_count(), "row"))),
        Some(Err(failure)) => {
            lines.push(format!("  warehouse: {} {}", ink.bad("no rows:"), excerpt(&failure.error)));
        }
        None => {}
    }
    for problem in test.problems.iter() {
        let kind = ink.warning(&format!("{} × {}", count(problem.count), problem.kind));
        lines.push(format!("  {kind}: {}", problem.kind.advice()));
        lines.push(format!("    {}", ink.quiet(&format!("for example: {}", excerpt(&problem.example)))));
    }
    lines.extend(largest(&test.largest));
    lines.join("\n")
}

/// All tests together, and that nothing was written.
#[must_use]
pub fn summary(tried: &Tried, ink: Ink) -> String {
    let totals = tried.totals();
    let failed = tried.failed.iter().filter(|it| !it.rows_only).count();
    let mut told = vec![format!("{} tried", counted(tried.tests.len(), "test"))];
    if failed > 0 {
        told.push(ink.bad(&format!("{} failed", count(failed))));
    }
    if tried.left > 0 {
        told.push(ink.warning(&format!("stopped with {} left", count(tried.left))));
    }
    let mut lines = vec![format!("{}: {}", ink.strong("dry run"), told.join(", "))];
    lines.push(format!("  reports: {}", reports(totals.reports, ink)));
    lines.push(format!(
        "  items: {} to write, {} of them new or changed; {} unchanged; {} to delete",
        count(totals.written),
        count(totals.new_or_changed),
        count(totals.unchanged),
        count(totals.deleted)
    ));
    if tried.tests.iter().any(|test| test.rows.is_some()) {
        lines.push(format!("  warehouse: {} to write", counted(totals.rows, "row")));
    }
    lines.push(format!("  {}", ink.good("nothing was written")));
    lines.join("\n")
}

/// One sentence: which test, why, and what to do.
#[must_use]
pub fn failure(failed: &FailedTest) -> String {
    let failure = &failed.failure;
    // what the warehouse refuses names its session itself
    let of = if failed.rows_only {
        Sink::Warehouse.as_str()
    } else {
        &format!("session {}", failed.target.session_id)
    };
    format!("{of}: {} ({}); {}", failure.error, failure.code, failure.next_step)
}

fn reports(counts: ReportCounts, ink: Ink) -> String {
    let shown = |number: u64, what: &str, paint: &dyn Fn(&str) -> String| {
        let text = format!("{} {what}", count(number));
        if number > 0 { paint(&text) } else { text }
    };
    let parts = [
        shown(counts.new, "new", &|text| ink.good(text)),
        shown(counts.changed, "changed", &|text| ink.warning(text)),
        shown(counts.unchanged, "unchanged", &str::to_owned),
        shown(counts.removed, "removed", &|text| ink.bad(text)),
    ];
    parts.join(", ")
}

fn items(counts: &ItemCounts) -> String {
    format!(
        "{} to write, {} of them new, {} changed; {} unchanged; {} to delete",
        counted(counts.written(), "item"),
        count(counts.new),
        count(counts.changed),
        count(counts.unchanged),
        count(counts.deleted)
    )
}

/// By marks and by rank; once, where that is the same.
fn largest(largest: &LargestChanges) -> Vec<String> {
    let LargestChanges { marks, ranks } = largest;
    let shown: &[(&str, &[Change])] =
        if marks == ranks { &[("marks and ranks", marks)] } else { &[("marks", marks), ("ranks", ranks)] };
    let mut lines = Vec::new();
    for (of, changes) in shown.iter().filter(|(_, changes)| !changes.is_empty()) {
        lines.push(format!("  largest changes of {of}:"));
        lines.extend(table_of(changes).lines().map(|line| format!("  {line}")));
    }
    lines
}

fn table_of(changes: &[Change]) -> String {
    let header = ["user", "marks", "", "rank", ""].map(str::to_owned);
    let rows = changes.iter().map(|change| {
        let marks = OldAndNew { old: marks(change.marks.old), new: marks(change.marks.new) };
        let rank = OldAndNew { old: rank(change.rank.old), new: rank(change.rank.new) };
        vec![
            short(&change.user_id),
            arrow(&marks),
            signed(change.marks_gained()),
            arrow(&rank),
            up_or_down(change.ranks_gained()),
        ]
    });
    table(1, &header, rows)
}

fn arrow(shown: &OldAndNew<String>) -> String {
    if shown.old == shown.new { shown.new.clone() } else { format!("{} → {}", shown.old, shown.new) }
}

fn marks(marks: f64) -> String {
    round2(marks).to_string()
}

fn rank(rank: Option<u32>) -> String {
    rank.map_or_else(|| "none".to_owned(), count)
}

fn signed(gained: f64) -> String {
    match round2(gained) {
        0.0 => String::new(),
        gained if gained > 0.0 => format!("+{gained}"),
        gained => gained.to_string(),
    }
}

fn up_or_down(gained: i64) -> String {
    match gained {
        0 => String::new(),
        1.. => format!("{} up", count(gained.unsigned_abs())),
        _ => format!("{} down", count(gained.unsigned_abs())),
    }
}

#[cfg(test)]
mod tests;
