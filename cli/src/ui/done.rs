use std::process::ExitCode;

use thiserror::Error;

/// How a completed command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Well,
    /// Part of the work failed; the output says which part.
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

/// The command line makes no sense; the text says how to correct it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct WrongUse(pub String);

impl WrongUse {
    /// The same exit code as the command-line parser.
    pub const EXIT_CODE: u8 = 2;
}
