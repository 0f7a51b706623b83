//! Draws the bars, the axes, and the lines of average and median.

use crate::axis::{self, Marks, Scale, Tick};
use crate::canvas::{AVERAGE, Area, BAR, Canvas, GRID, GROUND, INK, MEDIAN};
use crate::{Bar, ChartError, Distribution, HEIGHT, WIDTH, values};

/// The width of a line.
pub const LINE: i32 = 6;
/// The length of a dash.
pub const DASH: i32 = 12;
/// The width of the dark edge between a line and a bar.
const HALO: i32 = 2;

/// The size of the type.
const TYPE: i32 = 34;
const TOP: i32 = 110;
const BOTTOM: i32 = HEIGHT.cast_signed() - 98;
const RIGHT: i32 = WIDTH.cast_signed() - 28;
/// The lowest height of a bar, so that one student is visible next to 100,000.
const MIN_HEIGHT: i32 = 3;

pub fn draw(canvas: &Canvas, distribution: &Distribution) -> Result<(), ChartError> {
    let bars = &distribution.bars;
    let most = bars.iter().map(|bar| bar.participants).max().unwrap_or_default();
    let students = axis::students(most);
    let left = labels_width(canvas, &students)? + 74;

    // the scales of both axes
    let marks = Marks::new(bars);
    let x = marks.scale(left, RIGHT);
    let y = Scale { low: 0.0, high: f64::from(most), start: BOTTOM, end: TOP };

    // the grid and the labels of the axis of students
    for tick in &students {
        let height = y.at(tick.value);
        canvas.fill(Area { left, top: height - 1, right: RIGHT, bottom: height + 1 }, GRID)?;
        let label = canvas.width(&tick.label, TYPE)?;
        canvas.text(&tick.label, TYPE, (left - 14 - label, height + TYPE * 3 / 10), INK)?;
    }

    // the bars
    let occupied = || bars.iter().filter(|bar| bar.participants > 0);
    let min_width = min_width(occupied().count(), x);
    let columns: Vec<(Area, u32)> =
        occupied().map(|bar| (column(bar, min_width, marks, x, y), bar.participants)).collect();
    for (area, _) in &columns {
        canvas.fill(*area, BAR)?;
    }
    canvas.fill(Area { left, top: BOTTOM - 1, right: RIGHT, bottom: BOTTOM + 2 }, INK)?;

    // the lines, the numbers on the bars, and the axis of marks
    draw_lines(canvas, distribution, x)?;
    values::draw(canvas, columns, (left, RIGHT))?;
    draw_mark_axis(canvas, marks, x)
}

/// The least width of a bar, so that a bar of one mark stays visible next to a line.
fn min_width(bars: usize, x: Scale) -> i32 {
    let bars = i32::try_from(bars).unwrap_or(i32::MAX).max(1);
    ((x.end - x.start) / bars / 4).clamp(3, 16)
}

/// The area of a bar, with a small gap to the next bar.
fn column(bar: &Bar, min_width: i32, marks: Marks, x: Scale, y: Scale) -> Area {
    let widened = if marks.single().is_some() { 0.25 } else { 0.0 };
    let (mut left, mut right) = (x.at(bar.from - widened), x.at(bar.to + widened));
    let gap = if right - left > 12 { 2 } else { i32::from(right - left > 5) };
    left += gap;
    right -= gap;
    if right - left < min_width {
        left = (left + right - min_width) / 2;
        right = left + min_width;
    }
    Area { left, top: y.at(f64::from(bar.participants)).min(BOTTOM - MIN_HEIGHT), right, bottom: BOTTOM }
}

/// Draws a solid line for the average and a dashed line for the median, so that both are visible where they are equal.
fn draw_lines(canvas: &Canvas, distribution: &Distribution, x: Scale) -> Result<(), ChartError> {
    let lines = [(distribution.average, AVERAGE, false), (distribution.median, MEDIAN, true)].map(
        |(value, color, is_dashed)| {
            let middle = value.filter(|value| x.contains(*value)).map(|value| x.at(value));
            (middle, color, is_dashed)
        },
    );
    for edge in [HALO, 0] {
        for (middle, color, is_dashed) in lines {
            let Some(middle) = middle else { continue };
            for (from, to) in dashes(TOP, BOTTOM, is_dashed) {
                let half = LINE / 2 + edge;
                let piece = Area { left: middle - half, top: from - edge, right: middle + half, bottom: to };
                canvas.fill(piece, if edge > 0 { GROUND } else { color })?;
            }
        }
    }
    Ok(())
}

/// The pieces of a line from `start` to `end`.
pub fn dashes(start: i32, end: i32, is_dashed: bool) -> impl Iterator<Item = (i32, i32)> {
    let length = if is_dashed { DASH } else { end - start };
    std::iter::successors(Some(start), move |from| Some(from + 2 * length))
        .take_while(move |from| *from < end)
        .map(move |from| (from, (from + length).min(end)))
}

/// Draws the numbers under the bars and the names of both axes.
fn draw_mark_axis(canvas: &Canvas, marks: Marks, x: Scale) -> Result<(), ChartError> {
    for tick in marks.ticks(|ticks| are_apart(canvas, ticks, x)) {
        let (middle, width) = (x.at(tick.value), canvas.width(&tick.label, TYPE)?);
        canvas.fill(Area { left: middle - 1, top: BOTTOM, right: middle + 1, bottom: BOTTOM + 10 }, INK)?;
        let left = (middle - width / 2).min(WIDTH.cast_signed() - 4 - width).max(4);
        canvas.text(&tick.label, TYPE, (left, BOTTOM + 42), INK)?;
    }
    let width = canvas.width("marks", TYPE)?;
    canvas.text("marks", TYPE, ((x.start + x.end - width) / 2, HEIGHT.cast_signed() - 16), INK)?;
    let width = canvas.width("students", TYPE)?;
    canvas.text_upwards("students", TYPE, (38, (TOP + BOTTOM + width) / 2))
}

/// Whether the labels of these ticks have a gap between them.
fn are_apart(canvas: &Canvas, ticks: &[Tick], x: Scale) -> bool {
    let step =
        ticks.first().zip(ticks.get(1)).map_or(i32::MAX, |(one, two)| x.at(two.value) - x.at(one.value));
    labels_width(canvas, ticks).is_ok_and(|width| width + 24 < step)
}

/// The width of the widest label.
fn labels_width(canvas: &Canvas, ticks: &[Tick]) -> Result<i32, ChartError> {
    ticks.iter().try_fold(0, |widest, tick| Ok(canvas.width(&tick.label, TYPE)?.max(widest)))
}
