//! Distributions whose pictures must look right.

use quiz_chart::{Bar, Distribution};

/// Bars of the same width, one for each count.
pub fn bars(from: f64, width: f64, participants: &[u32]) -> Vec<Bar> {
    let starts = std::iter::successors(Some(from), |start| Some(start + width));
    starts
        .zip(participants)
        .map(|(from, &participants)| Bar { from, to: from + width, participants })
        .collect()
}

fn case(bars: Vec<Bar>, average: f64, median: f64, highest: f64) -> Distribution {
    Distribution { bars, average: Some(average), median: Some(median), highest: Some(highest) }
}

pub fn all() -> Vec<(&'static str, Distribution)> {
    let class = [1, 0, 2, 5, 9, 14, 21, 17, 8, 3];
    let wave: Vec<u32> = (0..25_u32).map(|bar| 144 - (bar.abs_diff(12)).pow(2)).collect();
    let large: Vec<u32> = wave.iter().map(|participants| participants * 694).collect();
    let peaks = [3, 41, 100_000, 58_211, 9_120, 1, 0, 77_000];
    vec![
        ("class", case(bars(0.0, 2.0, &class), 12.34, 13.0, 20.0)),
        ("one_participant", case(bars(7.0, 0.0, &[1]), 7.0, 7.0, 7.0)),
        ("one_wide_bar", case(bars(0.0, 10.0, &[1]), 7.25, 7.25, 7.25)),
        ("all_equal", case(bars(12.5, 1e-9, &[340]), 12.5, 12.5, 12.5)),
        ("two_bars", case(bars(0.0, 1.0, &[3, 2]), 0.4, 0.0, 1.0)),
        ("negative", case(bars(-8.0, 2.0, &[2, 6, 11, 19, 12, 7, 1]), -0.83, -1.0, 5.5)),
        ("all_negative", case(bars(-120.0, 10.0, &[4, 9, 3, 1]), -105.0, -107.25, -81.0)),
        ("25_bars", case(bars(0.0, 4.0, &wave), 49.7, 52.0, 98.0)),
        ("25_large_bars", case(bars(0.0, 1.0, &large), 11.98, 12.0, 25.0)),
        ("100000", case(bars(0.0, 12.5, &peaks), 40.03, 31.25, 100.0)),
        ("average_is_median", case(bars(0.0, 1.0, &[1, 4, 6, 4, 1]), 2.5, 2.5, 5.0)),
        ("average_near_median", case(bars(0.0, 10.0, &[12, 4, 30, 31, 1]), 24.9, 25.2, 49.0)),
        ("fractional", case(bars(0.25, 0.15, &[2, 3, 8, 5, 4, 1]), 0.612, 0.605, 1.13)),
        ("one_mark_among_others", case(vec![mark(0.0, 12), mark(5.0, 40), mark(20.0, 7)], 5.6, 5.0, 20.0)),
        ("many", case(bars(0.0, 0.5, &[5; 1000]), 250.25, 250.0, 500.0)),
        ("most_students", case(bars(0.0, 1.0, &[u32::MAX, 1, 2_000_000_000]), 1.0, 0.7, 3.0)),
        ("largest_marks", case(bars(-1e9, 5e8, &[3, 2, 5, 1]), -123_456_789.25, -1e8, 999_999_999.5)),
        ("no_numbers", Distribution { bars: bars(0.0, 5.0, &[3, 9, 4]), ..Distribution::default() }),
        ("average_not_finite", case(bars(0.0, 5.0, &[3, 9, 4]), f64::NAN, f64::INFINITY, 15.0)),
    ]
}

fn mark(mark: f64, participants: u32) -> Bar {
    Bar { from: mark, to: mark, participants }
}
