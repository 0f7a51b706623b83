use std::num::NonZeroU32;

use polars_core::prelude::{
    ChunkAgg, ChunkQuantile, ChunkSort, Float64Chunked, NewChunkedArray, PolarsError,
};
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};
use thiserror::Error;

use crate::round::percent;

/// polars could not rank the cohort. The input is not the cause; a retry may help, for example after a lack of memory.
#[derive(Debug, Error)]
#[error("cannot rank the participants: {0}")]
pub struct RankError(#[from] PolarsError);

/// Figures over the ranked participants of one section. Marks are absent where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CohortFigures {
    /// Ranked participants.
    pub ranked: u32,
    pub highest: Option<f64>,
    /// Unrounded.
    pub average: Option<f64>,
    /// Unrounded.
    pub median: Option<f64>,
}

/// The rank and percentile of one participant in one section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Standard competition ranking, 1-2-2-4, by marks, highest first.
    pub rank: u32,
    /// `100 × (ranked with marks ≤ these) / ranked`, unrounded. NTA publishes this definition for JEE and NEET.
    pub percentile: f64,
}

/// A standing in four bytes: the percentile follows from the rank and the number of ranked participants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackedStanding {
    rank: NonZeroU32,
}

impl PackedStanding {
    pub fn unpack(self, ranked: u32) -> Standing {
        let rank = self.rank.get();
        // everyone except those with more marks
        let not_above = ranked.saturating_sub(rank - 1);
        let percentile = percent(f64::from(not_above), f64::from(ranked)).unwrap_or_default();
        Standing { rank, percentile }
    }
}

/// Ranks the marks of one section. The standings are in the order of `marks`.
pub(crate) fn rank(marks: &[f64]) -> Result<(Vec<Option<PackedStanding>>, CohortFigures), RankError> {
    let column = Float64Chunked::from_slice("marks".into(), marks);
    let figures = CohortFigures {
        ranked: count(marks.len()),
        highest: column.max(),
        average: column.mean(),
        median: column.median(),
    };
    let highest_first = column.sort(true);
    let highest_first = highest_first.cont_slice()?;
    let standing = |mark: &f64| {
        let above = highest_first.partition_point(|other| other > mark);
        NonZeroU32::new(count(above).saturating_add(1)).map(|rank| PackedStanding { rank })
    };
    Ok((marks.par_iter().map(standing).collect(), figures))
}

pub(crate) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
