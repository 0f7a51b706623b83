//! Draws the score distribution of a test session as a PNG, for Discord on a phone.
//!
//! The picture has large type on a dark ground. It shows bars of students by marks, a solid line for the average and a
//! dashed line for the median. The font is bundled, so the same distribution gives the same bytes on every machine.
//!
//! ```
//! use quiz_chart::{Bar, Distribution, png};
//!
//! let bars = vec![Bar { from: 0.0, to: 10.0, participants: 4 }, Bar { from: 10.0, to: 20.0, participants: 9 }];
//! let distribution = Distribution { bars, average: Some(11.5), median: Some(12.0), highest: Some(19.0) };
//! let picture = png(&distribution)?.ok_or("no participant")?;
//! assert!(picture.starts_with(b"\x89PNG"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod axis;
mod canvas;
mod error;
mod legend;
mod number;
mod plot;
mod values;

use canvas::Canvas;
pub use error::ChartError;

/// The width of the picture in pixels.
pub const WIDTH: u32 = 1000;
/// The height of the picture in pixels.
pub const HEIGHT: u32 = 560;

/// The largest mark whose label fits.
const MAX_MARK: f64 = 1e9;
const PIXEL_BYTES: usize = (WIDTH * HEIGHT * 3) as usize;

/// One bar: the number of participants with `from ≤ marks < to`. The last bar includes its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    pub from: f64,
    pub to: f64,
    pub participants: u32,
}

/// The distribution to draw. The picture leaves out an average, median or highest that is not finite.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distribution {
    pub bars: Vec<Bar>,
    pub average: Option<f64>,
    pub median: Option<f64>,
    pub highest: Option<f64>,
}

/// Draws the picture as PNG; `None` where no bar has a participant.
///
/// # Errors
/// [`ChartError`] where the ends of a bar are not finite, out of order or beyond 10⁹. Also where the picture cannot be drawn
/// or encoded.
pub fn png(distribution: &Distribution) -> Result<Option<Vec<u8>>, ChartError> {
    if distribution.bars.iter().all(|bar| bar.participants == 0) {
        return Ok(None);
    }
    for &Bar { from, to, .. } in &distribution.bars {
        if !(is_drawable(from) && is_drawable(to) && from <= to) {
            return Err(ChartError::Bar { from, to, limit: MAX_MARK });
        }
    }

    let mut pixels = vec![0; PIXEL_BYTES];
    let canvas = Canvas::new(&mut pixels)?;
    plot::draw(&canvas, distribution)?;
    legend::draw(&canvas, distribution)?;
    canvas.finish()?;
    encode(&pixels).map(Some)
}

/// Whether the mark fits on the axis.
fn is_drawable(mark: f64) -> bool {
    mark.is_finite() && mark.abs() <= MAX_MARK
}

fn encode(pixels: &[u8]) -> Result<Vec<u8>, ChartError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(file)
}
