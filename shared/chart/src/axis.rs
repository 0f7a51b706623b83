//! Places numbers along an axis and chooses the labelled ones.

use crate::canvas::pixel;
use crate::{Bar, number};

/// Marks closer than this count as one mark.
const MIN_DIFFERENCE: f64 = 1e-6;
/// The free share of the axis before the first bar and after the last bar.
const MARGIN_SHARE: f64 = 0.02;

/// A labelled number on an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    pub value: f64,
    pub label: String,
}

/// Maps the numbers `low` to `high` to the pixels `start` to `end`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub low: f64,
    pub high: f64,
    pub start: i32,
    pub end: i32,
}

impl Scale {
    /// The pixel of a number.
    pub fn at(&self, value: f64) -> i32 {
        let share = (value - self.low) / (self.high - self.low);
        self.start + pixel(share * f64::from(self.end - self.start))
    }

    /// Whether a number is within the scale.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// The range of marks that the bars cover.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marks {
    pub first: f64,
    pub last: f64,
    narrowest: f64,
    widest: f64,
}

impl Marks {
    pub fn new(bars: &[Bar]) -> Self {
        let first = bars.iter().map(|bar| bar.from).fold(f64::INFINITY, f64::min);
        let last = bars.iter().map(|bar| bar.to).fold(f64::NEG_INFINITY, f64::max);
        let widths = || bars.iter().map(|bar| bar.to - bar.from);
        let (narrowest, widest) = (widths().fold(f64::INFINITY, f64::min), widths().fold(0.0, f64::max));
        Self { first, last, narrowest, widest }
    }

    /// The mark, where all bars are at the same one.
    pub fn single(&self) -> Option<f64> {
        (self.last - self.first < MIN_DIFFERENCE).then_some(self.first)
    }

    /// A scale on which no bar takes more than a quarter of the width.
    pub fn scale(&self, start: i32, end: i32) -> Scale {
        if let Some(mark) = self.single() {
            return Scale { low: mark - 1.0, high: mark + 1.0, start, end };
        }
        let span = self.last - self.first;
        let margin = ((4.0 * self.widest - span) / 2.0).max(MARGIN_SHARE * span);
        Scale { low: self.first - margin, high: self.last + margin, start, end }
    }

    /// Chooses ticks that `fit`: about one bar or more apart where possible, else closer.
    pub fn ticks(&self, fit: impl Fn(&[Tick]) -> bool) -> Vec<Tick> {
        if let Some(mark) = self.single() {
            return vec![Tick { value: mark, label: number::mark(mark) }];
        }
        [0.75, 0.375, 0.0]
            .into_iter()
            .map(|share| ticks(self.first, self.last, share * self.narrowest, 8, &fit))
            .find(|ticks| ticks.len() > 1)
            .unwrap_or_default()
    }
}

/// The ticks of the axis of students: whole numbers from 0 to `most`.
pub fn students(most: u32) -> Vec<Tick> {
    ticks(0.0, f64::from(most), 1.0, 6, |_| true)
}

/// The closest ticks that `fit`, at multiples of 1, 2 or 5 times a power of ten. There are at most `most` ticks, with a
/// distance of at least `closest`.
fn ticks(low: f64, high: f64, closest: f64, most: usize, fit: impl Fn(&[Tick]) -> bool) -> Vec<Tick> {
    (-7..=10)
        .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| (digit, power)))
        .filter(|(digit, power)| digit * 10_f64.powi(*power) > 0.999 * closest)
        .map(|(digit, power)| multiples(low, high, digit, power, most))
        .find(|ticks| ticks.len() <= most && fit(ticks))
        .unwrap_or_default()
}

/// The multiples of `digit`·10^`power` from `low` to `high`. Stops after `most` + 1 of them.
fn multiples(low: f64, high: f64, digit: f64, power: i32, most: usize) -> Vec<Tick> {
    let shift = 10_f64.powi(power.abs());
    let value = |count: f64| if power < 0 { count * digit / shift } else { count * digit * shift };
    let count = |value: f64| if power < 0 { value * shift / digit } else { value / digit / shift };
    let decimals = if power < 0 { power.unsigned_abs() as usize } else { 0 };

    let last = count(high) + 1e-6;
    std::iter::successors(Some((count(low) - 1e-6).ceil()), |at| Some(at + 1.0))
        .take_while(|at| *at <= last)
        .take(most + 1)
        .map(|at| Tick { value: value(at), label: number::decimals(value(at), decimals) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    fn marks(from: f64, to: f64) -> Marks {
        Marks::new(&[Bar { from, to, participants: 1 }])
    }

    #[test]
    fn ticks_are_round_and_few() {
        let bars = |low: i32, high: i32| {
            let bar = |from: i32| Bar { from: from.into(), to: (from + 1).into(), participants: 1 };
            Marks::new(&(low..high).map(bar).collect::<Vec<_>>())
        };
        assert_eq!(labels(&bars(0, 20).ticks(|_| true)), ["0", "5", "10", "15", "20"]);
        assert_eq!(labels(&bars(-7, 4).ticks(|_| true)), ["−6", "−4", "−2", "0", "2", "4"]);
        assert_eq!(labels(&bars(0, 3).ticks(|_| true)), ["0", "1", "2", "3"]);
        assert_eq!(labels(&bars(0, 20).ticks(|ticks| ticks.len() < 4)), ["0", "10", "20"]);
    }

    #[test]
    fn single_bar_has_ticks() {
        assert_eq!(labels(&marks(0.0, 10.0).ticks(|_| true)), ["0", "10"]);
        assert_eq!(labels(&marks(6.5, 7.5).ticks(|_| true)), ["6.5", "7.0", "7.5"]);
        assert_eq!(labels(&marks(6.0, 9.0).ticks(|_| true)), ["6", "8"]);
        assert_eq!(labels(&marks(7.0, 7.0).ticks(|_| true)), ["7"]);
    }

    #[test]
    fn students_are_whole() {
        assert_eq!(labels(&students(1)), ["0", "1"]);
        assert_eq!(labels(&students(12)), ["0", "5", "10"]);
        assert_eq!(labels(&students(100_000)), ["0", "20,000", "40,000", "60,000", "80,000", "100,000"]);
        assert!(students(u32::MAX).len() > 2);
    }

    #[test]
    fn no_bar_is_wider_than_a_quarter() {
        let scale = marks(10.0, 12.0).scale(0, 800);
        assert_eq!((scale.at(10.0), scale.at(12.0)), (300, 500));
        let scale = marks(1e9, 1e9).scale(0, 800);
        assert_eq!(scale.at(1e9), 400);
    }
}
