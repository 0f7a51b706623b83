//! Draws the number of students above each bar, where it fits.

use std::cmp::Reverse;

use crate::canvas::{Area, Canvas, GROUND, INK};
use crate::{ChartError, number};

const SIZES: [i32; 3] = [34, 30, 26];
/// More numbers would never fit.
const MAX_VALUES: usize = 100;

struct Value {
    text: String,
    size: i32,
    area: Area,
}

/// Draws the numbers between the `ends` of the plot, in the largest type in which all fit. Where more than a quarter would
/// not fit even in the smallest type, only the highest bar gets its number.
pub fn draw(canvas: &Canvas, mut columns: Vec<(Area, u32)>, ends: (i32, i32)) -> Result<(), ChartError> {
    columns.sort_by_key(|(_, participants)| Reverse(*participants));
    let mut values = Vec::new();
    for size in SIZES {
        values = fitting(canvas, &columns, size, ends)?;
        if values.len() == columns.len() {
            break;
        }
    }
    if values.len() * 4 < columns.len() * 3 {
        values = fitting(canvas, &columns, SIZES[0], ends)?;
        values.truncate(1);
    }
    for Value { text, size, area } in values {
        canvas.fill(area, GROUND)?;
        canvas.text(&text, size, (area.left + 3, area.bottom - 5), INK)?;
    }
    Ok(())
}

/// The numbers that overlap no bar and no number of a higher bar, from the highest bar down.
fn fitting(
    canvas: &Canvas,
    columns: &[(Area, u32)],
    size: i32,
    (from, to): (i32, i32),
) -> Result<Vec<Value>, ChartError> {
    let mut values: Vec<Value> = Vec::new();
    for (column, participants) in columns.iter().take(MAX_VALUES) {
        let text = number::decimals(f64::from(*participants), 0);
        let width = canvas.width(&text, size)? + 6;
        let left = ((column.left + column.right - width) / 2).min(to - width).max(from);
        let (top, bottom) = (column.top - size * 7 / 10 - 8, column.top - 1);
        let area = Area { left, top, right: left + width, bottom };
        let is_clear = |other: &Area| !area.overlaps(other);
        if columns.iter().all(|(other, _)| is_clear(other))
            && values.iter().all(|value| is_clear(&value.area))
        {
            values.push(Value { text, size, area });
        }
    }
    Ok(values)
}
