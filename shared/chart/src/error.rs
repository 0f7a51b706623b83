use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::drawing::DrawingAreaErrorKind;

type DrawError = DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>;

/// The picture could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    #[error(
        "cannot draw the bar from {from} to {to}: its ends must be finite, ascending, and at most {limit} in size"
    )]
    Bar { from: f64, to: f64, limit: f64 },
    #[error("cannot read the bundled font")]
    Font,
    #[error("cannot draw the score distribution: {0}")]
    Draw(#[from] DrawError),
    #[error("cannot encode the score distribution as PNG: {0}")]
    Encode(#[from] png::EncodingError),
}
