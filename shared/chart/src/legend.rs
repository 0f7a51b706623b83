//! Draws the row of numbers above the plot, which is also the legend of the lines.

use plotters::style::RGBColor;

use crate::canvas::{AVERAGE, Area, Canvas, INK, MEDIAN};
use crate::plot::{DASH, LINE, dashes};
use crate::{ChartError, Distribution, WIDTH, is_drawable, number};

const BASE: i32 = 46;
const MAX_SIZE: i32 = 36;
const MIN_SIZE: i32 = 20;
/// The length of the piece of line before its name.
const SAMPLE_LENGTH: i32 = 5 * DASH;
const GAP: i32 = 44;
const MARGINS: i32 = 24;

struct Entry {
    text: String,
    /// The colour of the line, and whether the line is dashed.
    line: Option<(RGBColor, bool)>,
}

pub fn draw(canvas: &Canvas, distribution: &Distribution) -> Result<(), ChartError> {
    let entries: Vec<Entry> = [
        ("average", distribution.average, Some((AVERAGE, false))),
        ("median", distribution.median, Some((MEDIAN, true))),
        ("highest", distribution.highest, None),
    ]
    .into_iter()
    .filter_map(|(name, value, line)| {
        let value = value.filter(|value| is_drawable(*value))?;
        Some(Entry { text: format!("{name} {}", number::mark(value)), line })
    })
    .collect();

    // choose the largest type that leaves a margin
    let mut size = MAX_SIZE;
    while size > MIN_SIZE && free_width(canvas, &entries, size)? < MARGINS {
        size -= 4;
    }
    let mut left = free_width(canvas, &entries, size)? / 2;
    for entry in &entries {
        left = draw_entry(canvas, entry, size, left)? + GAP;
    }
    Ok(())
}

/// The width that the row leaves free, in pixels.
fn free_width(canvas: &Canvas, entries: &[Entry], size: i32) -> Result<i32, ChartError> {
    let mut free = WIDTH.cast_signed() + GAP;
    for entry in entries {
        let sample = if entry.line.is_some() { SAMPLE_LENGTH + GAP / 3 } else { 0 };
        free -= sample + canvas.width(&entry.text, size)? + GAP;
    }
    Ok(free)
}

/// Draws one entry and returns its right end.
fn draw_entry(canvas: &Canvas, entry: &Entry, size: i32, mut left: i32) -> Result<i32, ChartError> {
    if let Some((color, is_dashed)) = entry.line {
        let middle = BASE - size * 3 / 10;
        for (from, to) in dashes(left, left + SAMPLE_LENGTH, is_dashed) {
            let piece = Area { left: from, right: to, top: middle - LINE / 2, bottom: middle + LINE / 2 };
            canvas.fill(piece, color)?;
        }
        left += SAMPLE_LENGTH + GAP / 3;
    }
    canvas.text(&entry.text, size, (left, BASE), INK)?;
    Ok(left + canvas.width(&entry.text, size)?)
}
