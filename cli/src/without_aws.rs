//! The verbs that this build lacks, as it was made without the feature `aws`. Each says how to get it.

use std::ffi::OsString;

use clap::{Args, Subcommand};

use crate::ui::{Done, Terminal, WrongUse};

#[derive(Debug, Subcommand)]
pub enum Operate {
    /// Request syncs of the named test sessions (not in this build).
    Sync(Lacking),
    /// Request syncs of many test sessions (not in this build).
    Backfill(Lacking),
    /// Look into the dead-letter queues, replay or drop their messages (not in this build).
    Dlq(Lacking),
    /// Erase one student (not in this build).
    Erase(Lacking),
    /// Check the deployment (not in this build).
    Doctor(Lacking),
}

/// Any arguments, `--help` included: the verb cannot explain them.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Lacking {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,
}

impl Operate {
    #[expect(clippy::unused_async, reason = "as with the feature `aws`")]
    pub async fn run(self, _: Terminal) -> anyhow::Result<Done> {
        let verb = match self {
            Self::Sync(_) => "sync",
            Self::Backfill(_) => "backfill",
            Self::Dlq(_) => "dlq",
            Self::Erase(_) => "erase",
            Self::Doctor(_) => "doctor",
        };
        Err(lacks(&format!("`quiz-etl {verb}`")).into())
    }
}

/// The error for `what` that needs AWS.
pub fn lacks(what: &str) -> WrongUse {
    WrongUse(format!(
        "{what} is not in this build, which runs on one machine and needs no account: build the command again with \
         `cargo build --release --features aws`, or use its image (docs/IMAGES.md)"
    ))
}
