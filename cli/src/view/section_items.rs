use quiz_domain::OVERALL;
use serde_json::Value;

use super::report::{INCOMPLETE, heading};
use super::text::{stored_marks, stored_number, stored_text};
use crate::ui::Ink;
use crate::ui::table;

/// The fields on the Reporting Engine's page, in its order. Marks have their maximum.
const FIELDS: [(&str, &str); 10] = [
    ("marks_scored", "marks"),
    ("num_skipped", "skipped"),
    ("num_wrong", "wrong"),
    ("num_correct", "correct"),
    ("num_partially_correct", "partly correct"),
    ("percentage", "percentage"),
    ("accuracy", "accuracy"),
    ("highest_test_score", "highest marks"),
    ("percentile", "percentile"),
    ("rank", "rank"),
];

/// The v1 items of one student: a column for the whole test, then one for each section.
pub(super) fn render(mut items: Vec<&Value>, ink: Ink) -> String {
    items.sort_by_key(|item| {
        let section = stored_text(item, "section");
        (section != OVERALL, section)
    });
    let Some(first) = items.first() else { return String::new() };
    let mut header = vec![String::new()];
    header.extend(items.iter().map(|item| stored_text(item, "section")));
    let rows = FIELDS.iter().filter_map(|(field, name)| {
        let cell = |item: &&Value| match *field {
            "marks_scored" => stored_marks(item, "marks_scored", "max_marks_possible"),
            field => stored_number(item, field),
        };
        let cells: Vec<String> = items.iter().map(cell).collect();
        if cells.iter().all(String::is_empty) {
            return None;
        }
        let mut row = vec![(*name).to_owned()];
        row.extend(cells);
        Some(row)
    });
    let mut parts =
        vec![heading(first, &stored_text(first, "test_name"), &stored_text(first, "start_date"), ink)];
    if first.get("rank").is_none_or(Value::is_null) {
        parts.push(ink.warning(INCOMPLETE));
    }
    parts.push(table(1, &header, rows));
    parts.extend(chapters(&items));
    parts.join("\n")
}

fn chapters(items: &[&Value]) -> Option<String> {
    let lines = items.iter().filter_map(|item| item.get("chapter_wise_data")?.as_array()).flatten();
    let rows: Vec<Vec<String>> = lines
        .map(|line| {
            vec![
                stored_text(line, "section"),
                stored_text(line, "chapter_name"),
                stored_marks(line, "marks_scored", "max_score"),
                stored_number(line, "total_questions"),
                stored_number(line, "attempt_percentage"),
                stored_number(line, "accuracy"),
            ]
        })
        .collect();
    let header = ["section", "chapter", "marks", "questions", "attempted %", "accuracy %"].map(str::to_owned);
    (!rows.is_empty()).then(|| table(2, &header, rows))
}
