//! The cohort: ranks, percentiles, figures and the distribution of marks.

pub(crate) mod histogram;
pub(crate) mod ranking;
pub(crate) mod test_results;
