//! Reads the Quiz Engine's documents: quizzes, questions, attempts, and the values in them.

pub(crate) mod attempt;
pub(crate) mod fields;
pub(crate) mod marking;
pub(crate) mod priority;
pub(crate) mod question;
pub(crate) mod quiz;
pub(crate) mod raw;
pub(crate) mod selection;
pub(crate) mod stored;
pub(crate) mod test_session;
pub(crate) mod time;
pub(crate) mod value;
