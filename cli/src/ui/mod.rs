//! Output, questions and Ctrl-C, shared by all verbs.
//!
//! Text from outside (ids, names, causes) is cleaned before a terminal sees it, so that no terminal obeys its control
//! characters.

mod ask;
mod done;
mod ink;
mod interrupt;
mod terminal;
mod text;

pub use ask::{Question, is_wanted, line};
pub use done::{Done, WrongUse};
pub use ink::Ink;
pub use interrupt::Interrupt;
pub use terminal::Terminal;
pub use text::{
    age, clean, cohort, count, counted, cut, excerpt, is_hidden, printable, quoted, seconds, short, table,
};
