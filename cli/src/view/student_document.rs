use serde_json::Value;

use super::report::{INCOMPLETE, heading};
use super::text::{stored_marks, stored_number, stored_text};
use crate::ui::Ink;
use crate::ui::table;

const FIELDS: [(&str, &str); 8] = [
    ("num_skipped", "skipped"),
    ("num_wrong", "wrong"),
    ("num_correct", "correct"),
    ("total_questions", "questions"),
    ("percentage", "percentage"),
    ("accuracy", "accuracy"),
    ("percentile", "percentile"),
    ("rank", "rank"),
];

/// The v2 document of one student: a column for the whole test, then one for each subject in stored order.
pub(super) fn render(document: &Value, ink: Ink) -> String {
    let none = Value::Null;
    let part = |field: &str| document.get(field).unwrap_or(&none);
    let subjects = part("subject_performance").as_array().map(Vec::as_slice).unwrap_or_default();
    let columns: Vec<&Value> = std::iter::once(part("overall_performance")).chain(subjects).collect();

    let mut header = vec![String::new(), "overall".to_owned()];
    header.extend(subjects.iter().map(|subject| stored_text(subject, "subject")));
    let marks = |column: &&Value| stored_marks(column, "marks_scored", "max_marks_possible");
    let mut rows = vec![row("marks", columns.iter().map(marks))];
    for (field, name) in FIELDS {
        let cells: Vec<String> = columns.iter().map(|column| stored_number(column, field)).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            rows.push(row(name, cells));
        }
    }
    let about = part("report_header");
    let mut parts =
        vec![heading(document, &stored_text(about, "test_name"), &stored_text(about, "test_date"), ink)];
    if part("metadata").get("test_incomplete").and_then(Value::as_bool) == Some(true) {
        parts.push(ink.warning(INCOMPLETE));
    }
    parts.push(table(1, &header, rows));
    parts.extend(chapters(part("chapter_performance")));
    let message = stored_text(part("recommendation"), "message");
    parts.extend((!message.is_empty()).then_some(message));
    parts.join("\n")
}

fn row(name: &str, cells: impl IntoIterator<Item = String>) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(cells).collect()
}

fn chapters(chapters: &Value) -> Option<String> {
    let rows: Vec<Vec<String>> = chapters
        .as_array()?
        .iter()
        .map(|chapter| {
            // an older document has only the old name
            let is_new = chapter.get("max_marks_possible").is_some();
            let maximum = if is_new { "max_marks_possible" } else { "max_score" };
            vec![
                stored_text(chapter, "subject"),
                stored_text(chapter, "chapter_name"),
                stored_marks(chapter, "marks_scored", maximum),
                stored_number(chapter, "total_questions"),
                stored_number(chapter, "num_correct"),
                stored_number(chapter, "num_wrong"),
                stored_number(chapter, "num_skipped"),
                stored_number(chapter, "accuracy"),
            ]
        })
        .collect();
    let header = ["subject", "chapter", "marks", "questions", "correct", "wrong", "skipped", "accuracy %"]
        .map(str::to_owned);
    (!rows.is_empty()).then(|| table(2, &header, rows))
}
