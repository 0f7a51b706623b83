//! What the command shows on a terminal, as text: nothing here prints.

mod form;
mod notice;
mod outcome;
mod report;
mod section_items;
mod student_document;
#[cfg(test)]
mod tests;
mod text;
mod top;

pub use notice::notice;
pub use outcome::outcome;
pub use report::report;
pub use top::top_ranks;

pub(crate) use top::{Ranked, by_rank, same_rank};
