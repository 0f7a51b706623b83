//! The plan and the end of an erasure, as text and as JSON.

use std::collections::BTreeMap;

use quiz_domain::reports::ReportTable;
use quiz_domain::rows::WarehouseTable;
use serde_json::{Value, json};

use crate::erase::plan::ErasePlan;
use crate::erase::syncs::Synced;
use crate::ui::{Ink, Terminal, count, counted, excerpt, short};

/// Entries shown of each list.
const SHOWN: usize = 10;

/// Prints the plan of a dry run, or that nothing is stored.
pub(crate) fn print_plan(plan: &ErasePlan, dry_run: bool, terminal: Terminal) {
    if terminal.json {
        terminal.print_json(&json(plan, dry_run, None));
    } else if plan.is_empty() {
        terminal.print("nothing of this student is stored");
    } else {
        terminal.print(&self::plan(plan, terminal.ink()));
    }
}

/// Prints the end of an erasure.
pub(crate) fn print_end(plan: &ErasePlan, synced: &Synced, terminal: Terminal) {
    if terminal.json {
        terminal.print_json(&json(plan, false, Some(synced)));
        return;
    }
    let ink = terminal.ink();
    let mut lines = vec![ink.good("the student is erased from all tables and queues")];
    if !synced.failures.is_empty() {
        let syncs = counted(synced.failures.len(), "sync");
        lines.push(ink.warning(&format!("{syncs} failed: ranks and counts of the others may be old")));
        lines.extend(synced.failures.iter().take(SHOWN).map(|failed| {
            format!("  {} ({}): {}", short(&failed.session_id), failed.sink, excerpt(&failed.error))
        }));
        lines.push("next: fix the causes, then quiz-etl dlq replay".to_owned());
    }
    lines.push(ink.quiet("docs/ERASURE.md says what stays, and for how long"));
    terminal.print(&lines.join("\n"));
}

/// The plan, a line for each kind of store.
pub(crate) fn plan(plan: &ErasePlan, ink: Ink) -> String {
    let tables = [
        ("v1", ReportTable::Sections),
        ("v2", ReportTable::Students),
        ("form responses", ReportTable::FormResponses),
    ];
    let items = tables.map(|(name, table)| format!("{} {name}", count(plan.items_of(table))));
    let rows = WarehouseTable::ALL.map(|table| format!("{} {}", count(rows_of(plan, table)), table.name()));
    let mut lines = vec![
        ink.strong("erase one student"),
        format!("  {}: {}", counted(plan.stored.items.len(), "report item"), items.join(", ")),
        format!("  {}: {}", counted(plan.stored.row_count(), "warehouse row"), rows.join(", ")),
        format!("  {} of the student's quizzes", counted(plan.snapshots.len(), "snapshot")),
        format!("  {}", counted(plan.letters.len(), "parked message")),
        format!(
            "  {}, synced again so that the others' ranks are right",
            counted(plan.targets.len(), "test session")
        ),
    ];
    if !plan.without_quiz.is_empty() {
        let sessions = counted(plan.without_quiz.len(), "test session");
        lines.push(ink.warning(&format!("  {sessions} without a quiz in MongoDB, deleted without a sync:")));
        let shown = plan.without_quiz.iter().take(SHOWN);
        lines.extend(shown.map(|session_id| format!("    {}", short(session_id))));
        let more = plan.without_quiz.len().saturating_sub(SHOWN);
        lines.extend((more > 0).then(|| format!("    and {} more", count(more))));
    }
    lines.push(format!("  up to 3 searches in BigQuery, {} each", bytes(plan.search_bytes)));
    lines.join("\n")
}

fn rows_of(plan: &ErasePlan, table: WarehouseTable) -> u64 {
    plan.stored.rows.iter().filter(|rows| rows.table == table).map(|rows| rows.rows).sum()
}

fn json(plan: &ErasePlan, dry_run: bool, synced: Option<&Synced>) -> Value {
    let items = ReportTable::ALL
        .map(|table| (table.default_name(), u64::try_from(plan.items_of(table)).unwrap_or(u64::MAX)));
    let rows = WarehouseTable::ALL.map(|table| (table.name(), rows_of(plan, table)));
    let sessions: Vec<&str> = plan.targets.iter().map(|target| target.session_id.as_str()).collect();
    let failed = synced.map(|synced| synced.failures.as_slice()).unwrap_or_default();
    let failed = failed
        .iter()
        .map(|failed| json!({"session_id": failed.session_id, "sink": failed.sink, "error": failed.error}));
    json!({
        "dry_run": dry_run,
        "erased": synced.is_some() || plan.is_empty(),
        "items": BTreeMap::from(items),
        "rows": BTreeMap::from(rows),
        "snapshots": plan.snapshots.len(),
        "messages": plan.letters.len(),
        "synced": sessions,
        "without_quiz": plan.without_quiz,
        "failed": failed.collect::<Value>(),
        "search_bytes": plan.search_bytes,
    })
}

/// A number of bytes in its largest fitting unit: `12 bytes`, `4.1 MB`, `1.2 TB`.
pub(crate) fn bytes(number: u64) -> String {
    let units = [(1_u64 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")];
    match units.into_iter().find(|(size, _)| number >= *size) {
        Some((size, unit)) => {
            let tenths = number / (size / 10).max(1);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => counted(number, "byte"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use quiz_bigquery::StudentRows;
    use quiz_domain::reports::ReportTable;
    use quiz_domain::rows::WarehouseTable;
    use quiz_dynamo::StudentItem;
    use quiz_events::SessionTarget;
    use quiz_sns_sqs::dead_letters::DeadLetter;

    use super::{bytes, json};
    use crate::erase::find::Stored;
    use crate::erase::plan::ErasePlan;
    use crate::ui::Ink;

    fn plan() -> ErasePlan {
        let item = |table| StudentItem { table, session_id: "Group_q".into(), sort_key: "20231234#x".into() };
        let rows = |table, rows| StudentRows { table, session_id: "Group_q".into(), start_date: None, rows };
        ErasePlan {
            stored: Stored {
                items: vec![
                    item(ReportTable::Sections),
                    item(ReportTable::Sections),
                    item(ReportTable::Students),
                ],
                rows: vec![
                    rows(WarehouseTable::TestResponses, 2),
                    rows(WarehouseTable::QuestionResponses, 1_800),
                ],
            },
            letters: vec![DeadLetter::default()],
            targets: vec![SessionTarget { session_id: "Group_q".into(), quiz_id: "q".into() }],
            without_quiz: vec!["Gone_x".into()],
            quiz_ids: BTreeSet::from(["q".to_owned()]),
            snapshots: vec!["q".into()],
            search_bytes: 4_300_000,
        }
    }

    #[test]
    fn plan_counts_each_store() {
        insta::assert_snapshot!(super::plan(&plan(), Ink { colour: false }));
        insta::assert_json_snapshot!(json(&plan(), true, None));
    }

    #[test]
    fn audit_counts_but_does_not_name() {
        let action = plan().action(Some("olivia".into()), "request 17".into());
        assert_eq!(
            action.target,
            "one student: 3 report items, 1,802 warehouse rows, 2 test sessions, 1 snapshot, 1 parked message"
        );
        assert!(!format!("{action:?}").contains("20231234"));
    }

    #[test]
    fn bytes_have_units() {
        assert_eq!(
            [0, 1, 1 << 20, 4_300_000, 3 << 40].map(bytes),
            ["0 bytes", "1 byte", "1.0 MB", "4.1 MB", "3.0 TB"]
        );
    }
}
