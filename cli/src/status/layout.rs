use console::{Alignment, measure_text_width, pad_str, truncate_str};
use quiz_sync_state::Standing;

use crate::ui::Ink;

/// The area to draw on: its width in columns, and its height in lines if that is limited.
#[derive(Clone, Copy, Debug)]
pub struct Canvas {
    pub width: usize,
    pub lines: Option<usize>,
    pub ink: Ink,
}

impl Canvas {
    /// The width without a terminal.
    pub const WIDTH: usize = 120;
    /// The least width to lay out for; lines wrap on a narrower terminal.
    const NARROWEST: usize = 82;

    /// The size of the terminal on standard output.
    pub fn from_process(ink: Ink) -> Self {
        let size = console::Term::stdout().size_checked();
        let width = size.map_or(Self::WIDTH, |(_, columns)| usize::from(columns)).max(Self::NARROWEST);
        Self { width, lines: size.map(|(lines, _)| usize::from(lines)), ink }
    }
}

/// The name of the standing in its colour.
pub fn painted(ink: Ink, standing: Standing) -> String {
    let name = standing.name();
    match standing {
        Standing::Parked | Standing::Failed => ink.bad(name),
        Standing::Behind => ink.warning(name),
        Standing::Synced => ink.good(name),
        Standing::Running | Standing::Waiting => name.to_owned(),
        Standing::Unknown => ink.quiet(name),
    }
}

/// The text, cut to `width` columns.
pub fn shortened(text: &str, width: usize) -> String {
    truncate_str(text, width, "…").into_owned()
}

/// The first sentence of the text, without its full stop.
pub fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first)
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub title: &'static str,
    pub side: Alignment,
    /// The width down to which the column shrinks if the table is too wide. Earlier columns shrink first.
    /// `None`: the column keeps its width.
    pub least: Option<usize>,
}

const GAP: usize = 2;

/// The lines of a table: the header, then one line for each row. The table fits the canvas if its columns can shrink
/// enough. Cells may have colours.
pub fn lines(columns: &[Column], rows: &[Vec<String>], canvas: Canvas) -> Vec<String> {
    let cell_width = |row: &Vec<String>, at: usize| row.get(at).map_or(0, |cell| measure_text_width(cell));
    let natural = columns.iter().enumerate().map(|(at, column)| {
        rows.iter().map(|row| cell_width(row, at)).max().unwrap_or(0).max(measure_text_width(column.title))
    });
    let mut widths: Vec<usize> = natural.collect();
    let gaps = GAP * columns.len().saturating_sub(1);
    let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(canvas.width);
    for (width, column) in widths.iter_mut().zip(columns) {
        let saved = column.least.map_or(0, |least| width.saturating_sub(least)).min(excess);
        *width -= saved;
        excess -= saved;
    }
    let line = |cells: Vec<String>| {
        let padded = cells.iter().zip(&widths).zip(columns);
        let padded = padded.map(|((cell, width), column)| pad_str(cell, *width, column.side, Some("…")));
        let padded: Vec<_> = padded.collect();
        padded.join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    let header = line(columns.iter().map(|column| canvas.ink.strong(column.title)).collect());
    std::iter::once(header).chain(rows.iter().map(|row| line(row.clone()))).collect()
}
