//! Where numbers stand along an axis, and which of them are labelled.

use crate::canvas::pixel;
use crate::{Bar, number};

/// Marks nearer to each other than this are one mark.
const SAME: f64 = 1e-6;
/// The share of the marks left free beside the first and the last bar.
const AIR: f64 = 0.02;

#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    pub value: f64,
    pub label: String,
}

/// The numbers `low` to `high` over the pixels `start` to `end`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub low: f64,
    pub high: f64,
    pub start: i32,
    pub end: i32,
}

impl Scale {
    pub fn at(&self, value: f64) -> i32 {
        let share = (value - self.low) / (self.high - self.low);
        self.start + pixel(share * f64::from(self.end - self.start))
    }

    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// The marks the bars cover.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marks {
    pub first: f64,
    pub last: f64,
    widest: f64,
}

impl Marks {
    pub fn of(bars: &[Bar]) -> Self {
        let first = bars.iter().map(|bar| bar.from).fold(f64::INFINITY, f64::min);
        let last = bars.iter().map(|bar| bar.to).fold(f64::NEG_INFINITY, f64::max);
        let widest = bars.iter().map(|bar| bar.to - bar.from).fold(0.0, f64::max);
        Self { first, last, widest }
    }

    /// The one mark, where all bars stand on it.
    pub fn single(&self) -> Option<f64> {
        (self.last - self.first < SAME).then_some(self.first)
    }

    /// A scale on which no bar is wider than a quarter of it.
    pub fn scale(&self, start: i32, end: i32) -> Scale {
        if let Some(mark) = self.single() {
            return Scale { low: mark - 1.0, high: mark + 1.0, start, end };
        }
        let span = self.last - self.first;
        let air = ((4.0 * self.widest - span) / 2.0).max(AIR * span);
        Scale { low: self.first - air, high: self.last + air, start, end }
    }

    pub fn ticks(&self, fit: impl Fn(&[Tick]) -> bool) -> Vec<Tick> {
        match self.single() {
            Some(mark) => vec![Tick { value: mark, label: number::mark(mark) }],
            None => ticks(self.first, self.last, -7, 8, fit),
        }
    }
}

/// Whole students from none to `most`.
pub fn students(most: u32) -> Vec<Tick> {
    ticks(0.0, f64::from(most), 0, 6, |_| true)
}

/// The closest ticks at 1, 2 or 5 times a power of ten that are at most `most` and `fit`.
fn ticks(low: f64, high: f64, finest: i32, most: usize, fit: impl Fn(&[Tick]) -> bool) -> Vec<Tick> {
    let mut widest = Vec::new();
    for power in finest..=13 {
        for digit in [1.0, 2.0, 5.0] {
            let ticks = multiples(low, high, digit, power, most);
            if ticks.is_empty() {
                return widest;
            }
            if ticks.len() <= most && fit(&ticks) {
                return ticks;
            }
            widest = ticks;
        }
    }
    widest
}

/// The multiples of `digit`·10^`power` from `low` to `high`, at most one more than `most`.
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
        Marks::of(&[Bar { from, to, takers: 1 }])
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(labels(&marks(0.0, 20.0).ticks(|_| true)), ["0", "5", "10", "15", "20"]);
        assert_eq!(labels(&marks(-7.0, 4.0).ticks(|_| true)), ["−6", "−4", "−2", "0", "2", "4"]);
        assert_eq!(
            labels(&marks(0.1, 0.4).ticks(|_| true)),
            ["0.10", "0.15", "0.20", "0.25", "0.30", "0.35", "0.40"]
        );
        assert_eq!(labels(&marks(7.0, 7.0).ticks(|_| true)), ["7"]);
        assert_eq!(labels(&marks(0.0, 20.0).ticks(|ticks| ticks.len() < 4)), ["0", "10", "20"]);
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
        let scale = marks(1e12, 1e12).scale(0, 800);
        assert_eq!(scale.at(1e12), 400);
    }
}
