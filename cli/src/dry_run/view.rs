//! The texts of a dry run.

use quiz_domain::round2;
use quiz_events::Sink;

use crate::dry_run::changes::{Change, LargestChanges, OldAndNew};
use crate::dry_run::difference::{ItemCounts, ReportCounts, SessionDifference};
use crate::dry_run::tried::{FailedSession, Tried};
use crate::ui::{Ink, cohort, count, counted, excerpt, short, table};

/// One test session: changes of reports, items and rows, problems of its documents, and the largest changes.
#[must_use]
pub fn difference(test: &SessionDifference, ink: Ink) -> String {
    let name = ink.strong(&excerpt(&test.test_name));
    let mut lines = vec![format!("would sync {name} {}", ink.quiet(&short(&test.session_id)))];
    lines.push(match test.participants {
        0 => "  no attempts yet".to_owned(),
        participants => format!("  {}", cohort(participants, test.ranked, test.is_form)),
    });
    lines.push(format!("  reports: {}", reports(test.reports, ink)));
    lines.extend(
        test.items.iter().map(|counts| format!("  {}: {}", counts.table.default_name(), items(counts))),
    );
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
        lines.push(format!("    {}", ink.quiet(&format!("example: {}", excerpt(&problem.example)))));
    }
    lines.extend(largest(&test.largest));
    lines.join("\n")
}

/// The totals, and a line that nothing was written.
#[must_use]
pub fn summary(tried: &Tried, ink: Ink) -> String {
    let totals = tried.totals();
    let failed = tried.failed.iter().filter(|failed| !failed.rows_only).count();
    let mut parts = vec![counted(tried.tests.len(), "test session")];
    if failed > 0 {
        parts.push(ink.bad(&format!("{} failed", count(failed))));
    }
    if tried.left > 0 {
        parts.push(ink.warning(&format!("stopped with {} left", count(tried.left))));
    }
    let mut lines = vec![format!("{}: {}", ink.strong("dry run"), parts.join(", "))];
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

/// One line: the test session, the error and the next step.
#[must_use]
pub fn failure(failed: &FailedSession) -> String {
    let failure = &failed.failure;
    // an error of the warehouse names the session itself
    let subject = if failed.rows_only {
        Sink::Warehouse.as_str()
    } else {
        &format!("session {}", failed.target.session_id)
    };
    format!("{subject}: {} ({}); {}", failure.error, failure.code, failure.next_step)
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

/// A table of the largest changes of marks and one of ranks; one table if both are the same.
fn largest(largest: &LargestChanges) -> Vec<String> {
    let LargestChanges { marks, ranks } = largest;
    let shown: &[(&str, &[Change])] =
        if marks == ranks { &[("marks and ranks", marks)] } else { &[("marks", marks), ("ranks", ranks)] };
    let mut lines = Vec::new();
    for (kind, changes) in shown.iter().filter(|(_, changes)| !changes.is_empty()) {
        lines.push(format!("  largest changes of {kind}:"));
        lines.extend(changes_table(changes).lines().map(|line| format!("  {line}")));
    }
    lines
}

fn changes_table(changes: &[Change]) -> String {
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
mod tests {
    use quiz_domain::reports::ReportTable;
    use quiz_domain::rows::WarehouseTable;
    use quiz_domain::{ProblemKind, Problems};
    use quiz_events::SessionTarget;

    use super::{difference, failure, summary};
    use crate::dry_run::changes::{Change, LargestChanges, OldAndNew};
    use crate::dry_run::difference::{ItemCounts, ReportCounts, SessionDifference, TableRows};
    use crate::dry_run::failure::Failure;
    use crate::dry_run::tried::{FailedSession, Tried};
    use crate::ui::{Ink, is_hidden};

    const PLAIN: Ink = Ink { colour: false };

    fn change(user: &str, (old, new): (f64, f64), rank: (Option<u32>, Option<u32>)) -> Change {
        let rank = OldAndNew { old: rank.0, new: rank.1 };
        Change { user_id: user.to_owned(), marks: OldAndNew { old, new }, rank }
    }

    fn test() -> SessionDifference {
        let mut problems = Problems::default();
        problems.add(ProblemKind::AnswersMissing, "session document x answers 1 of 4 questions");
        let risen = change("20231234", (33.0, 36.5), (Some(1_120), Some(88)));
        let fallen = change("20239999", (12.0, 11.0), (Some(1_400), Some(1_401)));
        let ended = change("20230001", (8.0, 9.0), (None, Some(1_500)));
        let passed = change("20237777", (20.0, 20.0), (Some(90), Some(91)));
        SessionDifference {
            session_id: "SAPA_5020a0d0f1e2d3c4b5000001".into(),
            quiz_id: "5020a0d0f1e2d3c4b5000001".into(),
            test_name: "SAPA Ability Test".into(),
            participants: 1_525,
            is_form: false,
            ranked: 1_520,
            reports: ReportCounts { new: 3, changed: 40, unchanged: 1_482, removed: 1 },
            items: vec![
                ItemCounts {
                    table: ReportTable::Sections,
                    new: 15,
                    changed: 80,
                    unchanged: 7_530,
                    rewritten: 0,
                    deleted: 5,
                },
                ItemCounts {
                    table: ReportTable::Students,
                    new: 3,
                    changed: 40,
                    unchanged: 1_482,
                    rewritten: 7,
                    deleted: 1,
                },
            ],
            largest: LargestChanges {
                marks: vec![risen.clone(), ended, fallen.clone()],
                ranks: vec![risen, fallen, passed],
            },
            rows: Some(Ok(vec![
                TableRows { table: WarehouseTable::TestResponses, rows: 7_625 },
                TableRows { table: WarehouseTable::QuestionResponses, rows: 24_400 },
            ])),
            problems,
        }
    }

    fn refused() -> Failure {
        Failure {
            code: "rows_refused",
            error: "session early: the start date is none".into(),
            next_step: "fix the dates of the test session, then try again",
        }
    }

    fn tried() -> Tried {
        let early = SessionDifference {
            session_id: "early".into(),
            participants: 0,
            rows: Some(Err(refused())),
            reports: ReportCounts::default(),
            items: Vec::new(),
            largest: LargestChanges::default(),
            problems: Problems::default(),
            ..test()
        };
        let target = |session: &str| SessionTarget { session_id: session.into(), quiz_id: "q".into() };
        let absent = Failure {
            code: "unknown_quiz",
            error: "there is no quiz q (requested by session absent)".into(),
            next_step: "check the ids",
        };
        Tried {
            tests: vec![test(), early],
            failed: vec![
                FailedSession { target: target("early"), rows_only: true, failure: refused() },
                FailedSession { target: target("absent"), rows_only: false, failure: absent },
            ],
            left: 2,
        }
    }

    #[test]
    fn results_and_summary_are_shown() {
        let tried = tried();
        let mut shown: Vec<String> = tried.tests.iter().map(|test| difference(test, PLAIN)).collect();
        shown.push(summary(&tried, PLAIN));
        shown.extend(tried.failed.iter().map(|failed| format!("error: {}", failure(failed))));
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn colours_change_no_text() {
        let mut plain = difference(&test(), Ink { colour: true });
        plain.push_str(&summary(&tried(), Ink { colour: true }));
        for code in ["0", "1", "2", "31", "32", "33"] {
            plain = plain.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(plain, difference(&test(), PLAIN) + &summary(&tried(), PLAIN));
    }

    #[test]
    fn names_cannot_control_the_terminal() {
        let evil = "\u{1b}[2J\u{7}\r\u{202e}";
        let mut test = test();
        test.test_name.push_str(evil);
        test.session_id.push_str(evil);
        test.largest.marks[0].user_id.push_str(evil);
        test.rows = Some(Err(Failure { error: evil.to_owned(), ..refused() }));
        test.problems.add(ProblemKind::UserNotKeyable, evil);
        let text = difference(&test, PLAIN);
        assert!(!text.chars().any(|character| character != '\n' && is_hidden(character)), "{text:?}");
    }
}
