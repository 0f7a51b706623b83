use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::drawing::DrawingAreaErrorKind;

type DrawError = DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    #[error(
        "the bar from {from} to {to} cannot be drawn: its ends must be finite, in order, at most {limit}"
    )]
    Bar { from: f64, to: f64, limit: f64 },
    #[error("the bundled font is not readable")]
    Font,
    #[error("drawing the score distribution failed: {0}")]
    Draw(#[from] DrawError),
    #[error("encoding the score distribution as PNG failed: {0}")]
    Encode(#[from] png::EncodingError),
}
