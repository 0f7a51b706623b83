//! The cohort: ranks, percentiles, figures and their distribution.

pub(crate) mod histogram;
pub(crate) mod ranking;
pub(crate) mod test_results;
