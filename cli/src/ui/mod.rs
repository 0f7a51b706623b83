//! What the verbs of the command share: how they speak to a person or a program, and how they are stopped.

mod ask;
mod done;
mod ink;
mod interrupt;
mod terminal;
mod text;

pub use ask::{asker, is_wanted};
pub use done::{Done, WrongUse};
pub use ink::Ink;
pub use interrupt::Interrupt;
pub use terminal::Terminal;
pub use text::{
    age, clean, cohort, count, counted, excerpt, is_hidden, printable, quoted, seconds, short, table,
};
