//! Reads the repository's pages, so that tests can hold them to the files, headings and tests that they name.
//!
//! It depends on nothing, so `cargo test -p quiz-pages` takes seconds.

mod cargo;
mod markdown;
mod repository;

pub use cargo::{CargoCommand, Package};
pub use markdown::{anchors, code, headings, links};
pub use repository::{Page, Repository, ending};
