/// Counts of marks in bins of equal width. Bin `i` counts `start + i·width ≤ marks < start + (i+1)·width`.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    pub start: f64,
    pub width: f64,
    pub counts: Vec<u32>,
}

impl Histogram {
    const MAX_BINS: f64 = 25.0;

    /// Chooses the smallest round width (1, 2, 5, 10, …) that needs at most 25 bins; `None` without marks.
    pub(crate) fn from_marks(marks: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let lowest = marks.clone().reduce(f64::min)?;
        let highest = marks.clone().reduce(f64::max)?;
        let mut width = 1.0;
        for factor in [2.0, 2.5, 2.0].iter().cycle().take(60) {
            if ((highest - lowest) / width).floor() < Self::MAX_BINS - 1.0 {
                break;
            }
            width *= factor;
        }
        let start = (lowest / width).floor() * width;
        let bin = |marks: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 25")]
            let bin = ((marks - start) / width).floor().clamp(0.0, Self::MAX_BINS) as usize;
            bin
        };
        let mut counts = vec![0; bin(highest) + 1];
        for marks in marks {
            if let Some(count) = counts.get_mut(bin(marks)) {
                *count += 1;
            }
        }
        Some(Self { start, width, counts })
    }
}
