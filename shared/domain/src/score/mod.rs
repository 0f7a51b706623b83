//! What each answer is worth, and what an attempt comes to.

pub(crate) mod key_digest;
pub(crate) mod outcomes;
pub(crate) mod scoring;
pub(crate) mod sections;
pub(crate) mod snapshot;
pub(crate) mod tally;
