//! The row of numbers above the plot, which also says what the lines are.

use plotters::style::RGBColor;

use crate::canvas::{AVERAGE, Area, Canvas, INK, MEDIAN};
use crate::plot::{DASH, LINE, dashes};
use crate::{ChartError, Distribution, WIDTH, drawable, number};

const BASE: i32 = 46;
const LARGEST: i32 = 36;
const SMALLEST: i32 = 20;
const SAMPLE: i32 = 5 * DASH;
const GAP: i32 = 44;
const MARGINS: i32 = 24;

struct Entry {
    text: String,
    /// The colour of its line, and whether that is dashed.
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
        let value = value.filter(|value| drawable(*value))?;
        Some(Entry { text: format!("{name} {}", number::mark(value)), line })
    })
    .collect();

    let mut size = LARGEST;
    while size > SMALLEST && room(canvas, &entries, size)? < MARGINS {
        size -= 4;
    }
    let mut left = room(canvas, &entries, size)? / 2;
    for entry in &entries {
        left = place(canvas, entry, size, left)? + GAP;
    }
    Ok(())
}

/// The pixels the row leaves free.
fn room(canvas: &Canvas, entries: &[Entry], size: i32) -> Result<i32, ChartError> {
    let mut room = WIDTH.cast_signed() + GAP;
    for entry in entries {
        let sample = if entry.line.is_some() { SAMPLE + GAP / 3 } else { 0 };
        room -= sample + canvas.width(&entry.text, size)? + GAP;
    }
    Ok(room)
}

/// Draws one entry and returns where it ends.
fn place(canvas: &Canvas, entry: &Entry, size: i32, mut left: i32) -> Result<i32, ChartError> {
    if let Some((color, dashed)) = entry.line {
        let middle = BASE - size * 3 / 10;
        for (from, to) in dashes(left, left + SAMPLE, dashed) {
            let piece = Area { left: from, right: to, top: middle - LINE / 2, bottom: middle + LINE / 2 };
            canvas.fill(piece, color)?;
        }
        left += SAMPLE + GAP / 3;
    }
    canvas.text(&entry.text, size, (left, BASE), INK)?;
    Ok(left + canvas.width(&entry.text, size)?)
}
