use console::{Alignment, measure_text_width};
use quiz_sync_state::Standing;

use crate::status::closing::closing;
use crate::status::layout::{Canvas, Column, first_sentence, lines, painted, shortened};
use crate::status::moments::Moments;
use crate::status::overview::{Overview, Row};
use crate::ui::{clean, count};

/// How many a table shows unless told otherwise.
pub const LIMIT: usize = 50;
/// The header and the line below it.
const HEAD: usize = 2;

const fn text(title: &'static str, least: Option<usize>) -> Column {
    Column { title, side: Alignment::Left, least }
}

/// The name is narrowed first, then the session, which is what is copied.
const COLUMNS: [Column; 6] = [
    text("session", Some(24)),
    text("test", Some(10)),
    text("sink", None),
    text("stands", None),
    text("since", None),
    Column { title: "takers", side: Alignment::Right, least: None },
];
/// Longer names than these say nothing more.
const LONGEST: (usize, usize) = (60, 32);

/// A table of what was asked for, the causes below the rows, and what to do next.
pub fn list(overview: &Overview, limit: usize, moments: &Moments, canvas: Canvas) -> String {
    let closing = closing(overview, canvas.ink);
    let room = canvas.lines.map_or(usize::MAX, |lines| lines.saturating_sub(closing.len() + HEAD + 1));
    let shown = fitting(&overview.rows, limit, room);
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
        let more =
            format!("… and {} more: --limit shows them, --standing and --sink choose", count(left_out));
        out.push(if left_out > 0 { canvas.ink.quiet(&more) } else { String::new() });
    }
    out.extend(closing);
    out.join("\n")
}

/// As many as the limit and the lines allow.
fn fitting(rows: &[Row], limit: usize, mut room: usize) -> &[Row] {
    let fits = rows.iter().take(limit).take_while(|row| {
        let height = 1 + usize::from(row.state.last.error.is_some());
        let fits = height <= room;
        room = room.saturating_sub(height);
        fits
    });
    let fits = fits.count();
    rows.get(..fits).unwrap_or_default()
}

fn cells(row: &Row, moments: &Moments, canvas: Canvas) -> Vec<String> {
    let name = row.state.session.as_ref().and_then(|it| it.test_name.as_deref()).unwrap_or_default();
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

/// The last error's first sentence, with its code and how long tries have failed, in a line of its own.
fn cause(row: &Row, moments: &Moments, canvas: Canvas) -> Option<String> {
    let error = clean(row.state.last.error.as_deref()?);
    let failing = row.state.failing.as_ref().map(|it| {
        let lasting = moments.since(Standing::Failed, it.since);
        format!("{} {lasting}: ", clean(&it.code))
    });
    let line = format!("  └ {}{}", failing.unwrap_or_default(), first_sentence(&error));
    Some(canvas.ink.quiet(&shortened(&line, canvas.width)))
}
