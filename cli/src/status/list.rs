use console::{Alignment, measure_text_width};
use quiz_sync_state::Standing;

use crate::status::closing::closing;
use crate::status::layout::{Canvas, Column, first_sentence, lines, painted, shortened};
use crate::status::moments::Moments;
use crate::status::overview::{Overview, Row};
use crate::ui::{clean, count};

/// Rows that a table shows without `--limit`.
pub const LIMIT: usize = 50;
/// Lines of the header and the rule below it.
const HEAD: usize = 2;

const fn text(title: &'static str, least: Option<usize>) -> Column {
    Column { title, side: Alignment::Left, least }
}

/// The session column comes first and shrinks first, down to 24 columns; then the test name.
const COLUMNS: [Column; 6] = [
    text("session", Some(24)),
    text("test", Some(10)),
    text("sink", None),
    text("stands", None),
    text("since", None),
    Column { title: "participants", side: Alignment::Right, least: None },
];
/// The longest session id and test name shown, in columns.
const LONGEST: (usize, usize) = (60, 32);

/// A table of the chosen rows with the causes of failures below them, then counts and next steps.
pub fn list(overview: &Overview, limit: usize, moments: &Moments, canvas: Canvas) -> String {
    let closing = closing(overview, canvas.ink);
    let free_lines = canvas.lines.map_or(usize::MAX, |lines| lines.saturating_sub(closing.len() + HEAD + 1));
    let shown = fitting(&overview.rows, limit, free_lines);
    let mut out = Vec::new();
    if !shown.is_empty() {
        let cells: Vec<Vec<String>> = shown.iter().map(|row| cells(row, moments, canvas)).collect();
        let mut table = lines(&COLUMNS, &cells, canvas).into_iter();
        let header = table.next().unwrap_or_default();
        let rule = "─".repeat(measure_text_width(&header));
        out.extend([header, canvas.ink.quiet(&rule)]);
        for (row, line) in shown.iter().zip(table) {
            out.push(line);
            out.extend(cause(row, moments, canvas));
        }
        let left_out = overview.rows.len() - shown.len();
        let more = format!(
            "… and {} more: show them with --limit, or filter with --standing and --sink",
            count(left_out)
        );
        out.push(if left_out > 0 { canvas.ink.quiet(&more) } else { String::new() });
    }
    out.extend(closing);
    out.join("\n")
}

/// The first rows that fit within the limit and the free lines.
fn fitting(rows: &[Row], limit: usize, mut free_lines: usize) -> &[Row] {
    let fits = rows.iter().take(limit).take_while(|row| {
        let height = 1 + usize::from(row.state.last.error.is_some());
        let fits = height <= free_lines;
        free_lines = free_lines.saturating_sub(height);
        fits
    });
    let fits = fits.count();
    rows.get(..fits).unwrap_or_default()
}

fn cells(row: &Row, moments: &Moments, canvas: Canvas) -> Vec<String> {
    let name =
        row.state.session.as_ref().and_then(|session| session.test_name.as_deref()).unwrap_or_default();
    let participants = row.state.last.participants;
    vec![
        shortened(&clean(&row.key.session_id), LONGEST.0),
        shortened(&clean(name), LONGEST.1),
        row.key.sink.to_string(),
        painted(canvas.ink, row.standing),
        moments.since(row.standing, row.since),
        if participants == 0 { String::new() } else { count(participants) },
    ]
}

/// A line with the first sentence of the last error, its code, and for how long runs have failed.
fn cause(row: &Row, moments: &Moments, canvas: Canvas) -> Option<String> {
    let error = clean(row.state.last.error.as_deref()?);
    let failing = row.state.failing.as_ref().map(|failing| {
        let lasting = moments.since(Standing::Failed, failing.since);
        format!("{} {lasting}: ", clean(&failing.code))
    });
    let line = format!("  └ {}{}", failing.unwrap_or_default(), first_sentence(&error));
    Some(canvas.ink.quiet(&shortened(&line, canvas.width)))
}
