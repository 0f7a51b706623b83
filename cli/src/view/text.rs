use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use quiz_domain::round2;
use serde_json::Value;

/// What a table may take; wider ones wrap their cells.
const WIDTH: u16 = 100;

/// Control characters, which a terminal obeys, and characters that change the direction of text.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text of unknown origin, in one line that no terminal obeys.
pub(super) fn clean(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|it| match it {
            '\n' | '\t' => ' ',
            it if is_hidden(it) => '\u{fffd}',
            it => it,
        })
        .collect();
    text.trim().to_owned()
}

/// Marks or a percentage: at most two decimals.
pub(super) fn number(value: f64) -> String {
    round2(value).to_string()
}

/// As [`number`]; empty where there is none.
pub(super) fn optional(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

/// A stored text, cleaned; empty where there is none.
pub(super) fn stored_text(item: &Value, field: &str) -> String {
    item.get(field).and_then(Value::as_str).map(clean).unwrap_or_default()
}

/// A stored number; empty where there is none.
pub(super) fn stored_number(item: &Value, field: &str) -> String {
    optional(item.get(field).and_then(Value::as_f64))
}

/// `33/64`, `33` or nothing, by what is stored.
pub(super) fn stored_marks(item: &Value, marks: &str, maximum: &str) -> String {
    let (marks, maximum) = (stored_number(item, marks), stored_number(item, maximum));
    if maximum.is_empty() { marks } else { format!("{marks}/{maximum}") }
}

/// A table whose first `texts` columns are text and whose others are numbers.
pub(super) fn table(texts: usize, header: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let cells = |row: Vec<String>| {
        row.into_iter().enumerate().map(move |(column, text)| {
            let side = if column < texts { CellAlignment::Left } else { CellAlignment::Right };
            Cell::new(text).set_alignment(side)
        })
    };
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(cells(header.to_vec()));
    table.style_mut().row_separator = comfy_table::LineStyle::none();
    for row in rows {
        table.add_row(cells(row));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}
