//! `quiz-etl status`: how each test's sync stands, as the sync states tell it. It reads, and changes nothing.

mod args;
mod closing;
mod details;
mod json;
mod layout;
mod list;
mod moments;
mod overview;
mod run;
mod screen;
mod source;
#[cfg(test)]
mod tests;
mod watch;

pub use args::StatusArgs;
pub use run::run;
