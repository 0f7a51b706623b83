//! Draws filled boxes and text on a picture.

use plotters::drawing::IntoDrawingArea;
use plotters::prelude::{
    BLACK, BitMapBackend, Color, DrawingArea, FontTransform, IntoFont, RGBColor, Rectangle, Text,
};
use plotters::style::{FontStyle, TextStyle, register_font};

use crate::{ChartError, HEIGHT, WIDTH};

const FONT: &str = "quiz-chart";
static FONT_FILE: &[u8] = include_bytes!("../font/DejaVuSans-subset.ttf");

pub const GROUND: RGBColor = RGBColor(0x2b, 0x2d, 0x31);
pub const GRID: RGBColor = RGBColor(0x4a, 0x4d, 0x55);
pub const INK: RGBColor = RGBColor(0xf2, 0xf3, 0xf5);
pub const BAR: RGBColor = RGBColor(0x4c, 0x8d, 0xd6);
pub const AVERAGE: RGBColor = RGBColor(0xff, 0xb0, 0x00);
pub const MEDIAN: RGBColor = RGBColor(0xff, 0xff, 0xff);

/// A box of pixels, without those at `right` and `bottom`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    pub left: i32,
    pub top: i32,
    pub right: i32,
    pub bottom: i32,
}

impl Area {
    /// Whether the two areas share a pixel.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

/// The picture while it is drawn.
pub struct Canvas<'a> {
    area: DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>,
}

impl<'a> Canvas<'a> {
    pub fn new(pixels: &'a mut [u8]) -> Result<Self, ChartError> {
        register_font(FONT, FontStyle::Normal, FONT_FILE).map_err(|_| ChartError::Font)?;
        let area = BitMapBackend::with_buffer(pixels, (WIDTH, HEIGHT)).into_drawing_area();
        area.fill(&GROUND)?;
        Ok(Self { area })
    }

    pub fn finish(self) -> Result<(), ChartError> {
        Ok(self.area.present()?)
    }

    pub fn fill(&self, area: Area, color: RGBColor) -> Result<(), ChartError> {
        if area.left < area.right && area.top < area.bottom {
            let corners = [(area.left, area.top), (area.right - 1, area.bottom - 1)];
            self.area.draw(&Rectangle::new(corners, color.filled()))?;
        }
        Ok(())
    }

    /// The width of a text in pixels.
    pub fn width(&self, text: &str, size: i32) -> Result<i32, ChartError> {
        let (width, _) = self.area.estimate_text_size(text, &style(size, BLACK))?;
        Ok(width.cast_signed())
    }

    /// Draws text from `left` to the right, with its baseline at `base`.
    pub fn text(
        &self,
        text: &str,
        size: i32,
        (left, base): (i32, i32),
        color: RGBColor,
    ) -> Result<(), ChartError> {
        // plotters draws the baseline half a size below the given point
        let text = Text::new(text, (left, base - size / 2), style(size, color));
        Ok(self.area.draw(&text)?)
    }

    /// Draws text from `bottom` upwards, with its baseline at `base`.
    pub fn text_upwards(&self, text: &str, size: i32, (base, bottom): (i32, i32)) -> Result<(), ChartError> {
        let style = style(size, INK).transform(FontTransform::Rotate270);
        Ok(self.area.draw(&Text::new(text, (base - size / 2, bottom), style))?)
    }
}

fn style(size: i32, color: RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().color(&color)
}

/// The nearest pixel.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and NaN becomes 0")]
pub fn pixel(place: f64) -> i32 {
    place.round() as i32
}
