use polars::prelude::{
    ChunkAgg, ChunkQuantile, Float64Chunked, IntoSeries, NewChunkedArray, PolarsError, RankMethod,
    RankOptions, Series, SeriesRank,
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

/// Ranks the marks of one section; the standings are in the order of `marks`.
pub(crate) fn rank(marks: &[f64]) -> Result<(Vec<Standing>, CohortFigures), RankError> {
    let column = Float64Chunked::from_slice("marks".into(), marks);
    let figures = CohortFigures {
        takers: count(marks.len()),
        highest: column.max(),
        average: column.mean(),
        median: column.median(),
    };
    let series = column.into_series();
    let order = |method, descending| ranks(&series, RankOptions { method, descending });
    let ranks = order(RankMethod::Min, true)?;
    let not_above = order(RankMethod::Max, false)?;
    let takers = f64::from(figures.takers);
    let standing = |(rank, not_above): (u32, u32)| Standing {
        rank,
        percentile: percent(f64::from(not_above), takers).unwrap_or_default(),
    };
    let standings = ranks.into_iter().zip(not_above).map(standing).collect();
    Ok((standings, figures))
}

fn ranks(series: &Series, options: RankOptions) -> Result<Vec<u32>, RankError> {
    let ranks = series.rank(options, None);
    Ok(ranks.idx()?.into_no_null_iter().collect())
}

pub(crate) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
