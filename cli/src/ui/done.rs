use std::process::ExitCode;

use thiserror::Error;

/// How a command ended that did not break off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Well,
    /// What was asked for was not all done; the output says what.
    WithFailures,
}

impl Done {
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Well => ExitCode::SUCCESS,
            Self::WithFailures => ExitCode::FAILURE,
        }
    }
}

/// The command was asked for something that makes no sense; the text says what to say instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct WrongUse(pub String);

impl WrongUse {
    /// As of the command line's own parser.
    pub const EXIT_CODE: u8 = 2;
}
