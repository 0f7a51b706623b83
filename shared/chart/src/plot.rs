//! The bars, the axes, and the lines for average and median.

use crate::axis::{self, Marks, Scale, Tick};
use crate::canvas::{AVERAGE, Area, BAR, Canvas, GRID, GROUND, INK, MEDIAN};
use crate::{Bar, ChartError, Distribution, HEIGHT, WIDTH, values};

/// How thick a line is, and how long a dash of it.
pub const LINE: i32 = 6;
pub const DASH: i32 = 12;
/// What sets a line off from a bar.
const HALO: i32 = 2;

const TYPE: i32 = 34;
const TOP: i32 = 110;
const BOTTOM: i32 = HEIGHT.cast_signed() - 98;
const RIGHT: i32 = WIDTH.cast_signed() - 28;
/// So that one student beside 100,000 is seen.
const LOWEST: i32 = 3;

pub fn draw(canvas: &Canvas, distribution: &Distribution) -> Result<(), ChartError> {
    let bars = &distribution.bars;
    let most = bars.iter().map(|bar| bar.takers).max().unwrap_or_default();
    let students = axis::students(most);
    let left = labels_width(canvas, &students)? + 74;

    let marks = Marks::of(bars);
    let x = marks.scale(left, RIGHT);
    let y = Scale { low: 0.0, high: f64::from(most), start: BOTTOM, end: TOP };

    for tick in &students {
        let height = y.at(tick.value);
        canvas.fill(Area { left, top: height - 1, right: RIGHT, bottom: height + 1 }, GRID)?;
        let label = canvas.width(&tick.label, TYPE)?;
        canvas.text(&tick.label, TYPE, (left - 14 - label, height + TYPE * 3 / 10), INK)?;
    }

    let taken = || bars.iter().filter(|bar| bar.takers > 0);
    let narrowest = narrowest(taken().count(), x);
    let columns: Vec<(Area, u32)> =
        taken().map(|bar| (column(bar, narrowest, marks, x, y), bar.takers)).collect();
    for (area, _) in &columns {
        canvas.fill(*area, BAR)?;
    }
    canvas.fill(Area { left, top: BOTTOM - 1, right: RIGHT, bottom: BOTTOM + 2 }, INK)?;

    lines(canvas, distribution, x)?;
    values::draw(canvas, columns, (left, RIGHT))?;
    names(canvas, marks, x)
}

/// So that bars of one mark are seen beside a line, and many bars beside each other.
fn narrowest(bars: usize, x: Scale) -> i32 {
    let bars = i32::try_from(bars).unwrap_or(i32::MAX).max(1);
    ((x.end - x.start) / bars / 4).clamp(3, 16)
}

/// Where a bar stands, a little apart from the next one.
fn column(bar: &Bar, narrowest: i32, marks: Marks, x: Scale, y: Scale) -> Area {
    let widened = if marks.single().is_some() { 0.25 } else { 0.0 };
    let (mut left, mut right) = (x.at(bar.from - widened), x.at(bar.to + widened));
    let apart = if right - left > 12 { 2 } else { i32::from(right - left > 5) };
    left += apart;
    right -= apart;
    if right - left < narrowest {
        left = (left + right - narrowest) / 2;
        right = left + narrowest;
    }
    Area { left, top: y.at(f64::from(bar.takers)).min(BOTTOM - LOWEST), right, bottom: BOTTOM }
}

/// Solid for the average, dashed for the median, so that both are seen where they are the same.
fn lines(canvas: &Canvas, distribution: &Distribution, x: Scale) -> Result<(), ChartError> {
    let lines = [(distribution.average, AVERAGE, false), (distribution.median, MEDIAN, true)].map(
        |(value, color, dashed)| {
            let place = value.filter(|value| x.holds(*value)).map(|value| x.at(value));
            (place, color, dashed)
        },
    );
    for edge in [HALO, 0] {
        for (place, color, dashed) in lines {
            let Some(middle) = place else { continue };
            for (from, to) in dashes(TOP, BOTTOM, dashed) {
                let half = LINE / 2 + edge;
                let piece = Area { left: middle - half, top: from - edge, right: middle + half, bottom: to };
                canvas.fill(piece, if edge > 0 { GROUND } else { color })?;
            }
        }
    }
    Ok(())
}

/// The pieces of a line from `start` to `end`.
pub fn dashes(start: i32, end: i32, dashed: bool) -> impl Iterator<Item = (i32, i32)> {
    let length = if dashed { DASH } else { end - start };
    std::iter::successors(Some(start), move |from| Some(from + 2 * length))
        .take_while(move |from| *from < end)
        .map(move |from| (from, (from + length).min(end)))
}

/// The numbers under the bars, and what both axes count.
fn names(canvas: &Canvas, marks: Marks, x: Scale) -> Result<(), ChartError> {
    for tick in marks.ticks(|ticks| apart(canvas, ticks, x)) {
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

/// Whether the labels of these ticks leave room between them.
fn apart(canvas: &Canvas, ticks: &[Tick], x: Scale) -> bool {
    let step =
        ticks.first().zip(ticks.get(1)).map_or(i32::MAX, |(one, two)| x.at(two.value) - x.at(one.value));
    labels_width(canvas, ticks).is_ok_and(|width| width + 24 < step)
}

fn labels_width(canvas: &Canvas, ticks: &[Tick]) -> Result<i32, ChartError> {
    ticks.iter().try_fold(0, |widest, tick| Ok(canvas.width(&tick.label, TYPE)?.max(widest)))
}
