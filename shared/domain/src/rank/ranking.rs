use std::num::NonZeroU32;

use polars::prelude::{
    ChunkAgg, ChunkQuantile, Float64Chunked, IntoSeries, NewChunkedArray, PolarsError, RankMethod,
    RankOptions, SeriesRank,
};
use thiserror::Error;

use crate::round::percent;

/// A ranking that polars refused. It is no fault of the input; a retry may help (memory).
#[derive(Debug, Error)]
#[error("the cohort could not be ranked: {0}")]
pub struct RankError(#[from] PolarsError);

/// Figures over the ranked takers of one section. The rest are absent where there is no taker.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CohortFigures {
    pub takers: u32,
    pub highest: Option<f64>,
    /// Unrounded.
    pub average: Option<f64>,
    /// Unrounded.
    pub median: Option<f64>,
}

/// Where a taker stands in one section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Standard competition ranking, 1-2-2-4, by marks, highest first.
    pub rank: u32,
    /// `100 × (takers with marks ≤ these) / takers`, unrounded: the definition that NTA publishes.
    pub percentile: f64,
}

/// A standing in four bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    rank: NonZeroU32,
}

impl Place {
    pub fn among(self, takers: u32) -> Standing {
        let rank = self.rank.get();
        // all but those with more marks
        let not_above = takers.saturating_sub(rank - 1);
        let percentile = percent(f64::from(not_above), f64::from(takers)).unwrap_or_default();
        Standing { rank, percentile }
    }
}

/// Ranks the marks of one section; the places are in the order of `marks`.
pub(crate) fn rank(marks: &[f64]) -> Result<(Vec<Option<Place>>, CohortFigures), RankError> {
    let column = Float64Chunked::from_slice("marks".into(), marks);
    let figures = CohortFigures {
        takers: count(marks.len()),
        highest: column.max(),
        average: column.mean(),
        median: column.median(),
    };
    let highest_first = RankOptions { method: RankMethod::Min, descending: true };
    let ranks = column.into_series().rank(highest_first, None);
    let place = |rank| NonZeroU32::new(rank).map(|rank| Place { rank });
    Ok((ranks.idx()?.into_no_null_iter().map(place).collect(), figures))
}

pub(crate) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
