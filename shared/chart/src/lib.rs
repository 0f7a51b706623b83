//! A test's score distribution as a picture: large type on dark ground, for Discord on a phone.
//!
//! The font is bundled, so the same distribution gives the same bytes on every machine.

mod axis;
mod canvas;
mod error;
mod legend;
mod number;
mod plot;
mod values;

use canvas::Canvas;
pub use error::ChartError;

/// Pixels.
pub const WIDTH: u32 = 1000;
pub const HEIGHT: u32 = 560;

/// The largest mark with room for its label.
const LIMIT: f64 = 1e9;
const BYTES: usize = (WIDTH * HEIGHT * 3) as usize;

/// One bar: takers with marks in [from, to), the last bar's end included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    pub from: f64,
    pub to: f64,
    pub takers: u32,
}

/// An average, median or highest that is not a finite number is left out of the picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distribution {
    pub bars: Vec<Bar>,
    pub average: Option<f64>,
    pub median: Option<f64>,
    pub highest: Option<f64>,
}

/// The picture as PNG; none where there is no bar or no taker.
///
/// # Errors
/// Where a bar's ends are not finite, out of order or beyond 10⁹, or the picture cannot be drawn or encoded.
pub fn png(distribution: &Distribution) -> Result<Option<Vec<u8>>, ChartError> {
    if distribution.bars.iter().all(|bar| bar.takers == 0) {
        return Ok(None);
    }
    for &Bar { from, to, .. } in &distribution.bars {
        if !(drawable(from) && drawable(to) && from <= to) {
            return Err(ChartError::Bar { from, to, limit: LIMIT });
        }
    }

    let mut pixels = vec![0; BYTES];
    let canvas = Canvas::new(&mut pixels)?;
    plot::draw(&canvas, distribution)?;
    legend::draw(&canvas, distribution)?;
    canvas.finish()?;
    encode(&pixels).map(Some)
}

fn drawable(mark: f64) -> bool {
    mark.is_finite() && mark.abs() <= LIMIT
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
