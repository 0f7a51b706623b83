//! Decodes the pictures and checks their pixels.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::io::Cursor;

use quiz_chart::{Bar, ChartError, Distribution, HEIGHT, WIDTH, png};

mod cases;

const BAR: [u8; 3] = [0x4c, 0x8d, 0xd6];

struct Picture {
    size: (u32, u32),
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    fn draw(distribution: &Distribution) -> Self {
        let file = png(distribution).unwrap().unwrap();
        let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut bytes).unwrap();
        assert_eq!(frame.color_type, png::ColorType::Rgb);
        let pixels = bytes.as_chunks::<3>().0.to_vec();
        Self { size: (frame.width, frame.height), pixels }
    }

    /// The number of pixels with the colour of a bar, in each column.
    fn heights(&self) -> Vec<usize> {
        let width = WIDTH as usize;
        (0..width)
            .map(|x| self.pixels.iter().skip(x).step_by(width).filter(|pixel| **pixel == BAR).count())
            .collect()
    }
}

fn plain(bars: Vec<Bar>) -> Distribution {
    Distribution { bars, ..Distribution::default() }
}

/// The heights of the bars: of each run of more than 5 equally high columns.
fn bar_heights(distribution: &Distribution) -> Vec<usize> {
    let heights = Picture::draw(distribution).heights();
    let runs = heights.chunk_by(|one, next| one == next).filter(|run| run.len() > 5);
    runs.map(|run| run[0]).filter(|height| *height > 0).collect()
}

#[test]
fn every_case_is_drawn_at_full_size() {
    for (name, distribution) in cases::all() {
        let picture = Picture::draw(&distribution);
        assert_eq!(picture.size, (WIDTH, HEIGHT), "{name}");
        assert!(picture.pixels.contains(&BAR), "{name}");
    }
}

#[test]
fn same_distribution_gives_same_bytes() {
    for (name, distribution) in cases::all().into_iter().take(3) {
        assert_eq!(png(&distribution).unwrap(), png(&distribution).unwrap(), "{name}");
    }
}

#[test]
fn bar_height_follows_participants() {
    let participants = [10, 40, 20, 30];
    let heights = bar_heights(&plain(cases::bars(0.0, 5.0, &participants)));
    assert_eq!(heights.len(), participants.len());
    for (height, participants) in heights.iter().zip(participants) {
        let share = f64::from(participants) / 40.0 * f64::from(u32::try_from(heights[1]).unwrap());
        assert!(
            (f64::from(u32::try_from(*height).unwrap()) - share).abs() <= 2.0,
            "{participants}: {heights:?}"
        );
    }
}

#[test]
fn one_participant_next_to_many_is_visible() {
    let heights = bar_heights(&plain(cases::bars(0.0, 5.0, &[1, 100_000])));
    assert_eq!(heights.len(), 2);
    assert!(heights[0] < heights[1] / 50);
}

#[test]
fn equal_average_and_median_are_both_visible() {
    let mut distribution = plain(cases::bars(0.0, 1.0, &[1, 4, 6, 4, 1]));
    distribution.average = Some(2.5);
    distribution.median = Some(2.5);
    let picture = Picture::draw(&distribution);
    let column: Vec<[u8; 3]> =
        (0..WIDTH as usize).map(|x| column(&picture, x)).find(|column| has_solid_line(column)).unwrap();
    assert!(column.contains(&[0xff, 0xff, 0xff]));
}

fn column(picture: &Picture, x: usize) -> Vec<[u8; 3]> {
    picture.pixels.iter().skip(x).step_by(WIDTH as usize).copied().collect()
}

fn has_solid_line(column: &[[u8; 3]]) -> bool {
    column.iter().filter(|pixel| **pixel == [0xff, 0xb0, 0x00]).count() > 100
}

#[test]
fn no_participant_gives_no_picture() {
    assert!(png(&Distribution::default()).unwrap().is_none());
    assert!(png(&plain(cases::bars(0.0, 5.0, &[0, 0]))).unwrap().is_none());
}

#[test]
fn bar_beyond_the_axis_is_an_error() {
    let ends = [
        (f64::NAN, 1.0),
        (0.0, f64::NAN),
        (f64::NEG_INFINITY, 0.0),
        (0.0, f64::INFINITY),
        (2.0, 1.0),
        (0.0, 1e300),
    ];
    for (from, to) in ends {
        let distribution = plain(vec![Bar { from, to, participants: 3 }]);
        assert!(matches!(png(&distribution), Err(ChartError::Bar { .. })), "{from} to {to}");
    }
}

#[test]
fn number_that_is_not_finite_is_left_out() {
    let bars = cases::bars(0.0, 5.0, &[3, 9, 4]);
    let without = png(&plain(bars.clone())).unwrap();
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
        let number = Some(number);
        let distribution =
            Distribution { bars: bars.clone(), average: number, median: number, highest: number };
        assert_eq!(png(&distribution).unwrap(), without);
    }
}

#[test]
fn odd_bars_do_not_panic() {
    let widths = [0.0, 1e-300, 1e-6, 2e-6, 7.3, 5e8];
    let starts = [-1e9, 1e-300, 0.3, 5e8];
    for (width, from) in widths.iter().flat_map(|width| starts.map(|from| (width, from))) {
        let mut distribution = plain(cases::bars(from, *width, &[u32::MAX, 0, 7, 1]));
        distribution.bars.retain(|bar| bar.to <= 1e9);
        distribution.average = Some(from + width);
        distribution.median = Some(-5.0);
        png(&distribution).unwrap();
    }
}
