//! The command `quiz-etl`: a module for each verb, and [`ui`] for output that all verbs share.

#[cfg(feature = "aws")]
mod audit;
#[cfg(feature = "aws")]
mod backfill;
mod commands;
#[cfg(feature = "aws")]
mod dead_letters;
#[cfg(feature = "aws")]
mod doctor;
#[cfg(feature = "aws")]
pub mod dry_run;
mod embedded;
#[cfg(feature = "aws")]
mod erase;
mod next_step;
#[cfg(feature = "aws")]
mod operate;
#[cfg(not(feature = "aws"))]
#[path = "without_aws.rs"]
mod operate;
mod output_folder;
mod presenting;
mod progress;
mod status;
mod summary;
pub mod ui;

pub mod notices;
mod overview;
pub mod view;

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use quiz_lambda::Commit;

use crate::ui::{Done, Terminal};

/// Sync quiz results into student reports and the warehouse, and repair syncs that failed.
///
/// Exit codes: 0 done, 1 failed, 2 wrong use.
#[derive(Debug, Parser)]
#[command(name = "quiz-etl", version = version())]
pub struct Cli {
    /// Print one JSON object on standard output instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole pipeline on bundled data: nothing to install, no account.
    ///
    /// Creates Quiz Engine documents from the answers of 1,525 people to the 16 SAPA ability items,
    /// sends one completion event for each person, and writes every report.
    #[command(after_help = commands::DEMO_EXAMPLES)]
    Demo {
        /// Write to this folder; a second run updates it.
        #[arg(long, default_value = "demo")]
        out: PathBuf,
    },
    /// Run the whole pipeline on a mongodump folder, without AWS.
    #[command(after_help = commands::LOCAL_EXAMPLES)]
    Local {
        /// Read quizzes.bson, questions.bson and sessions.bson (or each with .gz) from this folder.
        #[arg(long)]
        source: PathBuf,
        /// Read published events from this file: one on each line, over several lines, or in a JSON array.
        /// Without it, every quiz of the dump is synced, with its id as the session id.
        #[arg(long)]
        events: Option<PathBuf>,
        /// Write reports.db, warehouse/, notices.jsonl and overview/ to this folder.
        #[arg(long)]
        out: PathBuf,
    },
    /// Print one student's report.
    #[command(after_help = commands::REPORT_EXAMPLES)]
    Report {
        /// The id of the test session.
        session: String,
        /// The user id of the student.
        user: String,
        /// Read the output folder of `local` or `demo` instead of DynamoDB.
        #[arg(long)]
        from: Option<PathBuf>,
    },
    Status(crate::status::StatusArgs),
    #[command(flatten)]
    Operate(crate::operate::Operate),
    /// Print the completion script of a shell.
    #[command(after_help = commands::COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell that reads the script.
        shell: Shell,
    },
    /// Print the manual page, or write a page for each command.
    #[command(after_help = commands::MAN_EXAMPLES)]
    Man {
        /// Write a page for each command to this folder, such as one of `manpath` with `/man1`.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// The version of the package, and the commit if known: `0.1.0 (0123456789ab)`.
fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let commit = Commit::from_process();
        let commit = commit.hash().map(|_| format!(" ({})", commit.short()));
        env!("CARGO_PKG_VERSION").to_owned() + &commit.unwrap_or_default()
    });
    &VERSION
}

/// Runs one command.
///
/// # Errors
/// The error that ended the command, as one sentence for a person.
pub async fn run(cli: Cli, terminal: Terminal) -> anyhow::Result<Done> {
    run_command(cli.command, terminal).await.map_err(next_step::explained)
}

async fn run_command(command: Command, terminal: Terminal) -> anyhow::Result<Done> {
    match command {
        Command::Demo { out } => commands::demo(&out, terminal).await,
        Command::Local { source, events, out } => {
            commands::local(&source, events.as_deref(), &out, terminal).await
        }
        Command::Report { session, user, from } => {
            commands::report(&session, &user, from.as_deref(), terminal).await
        }
        Command::Status(args) => crate::status::run(&args, terminal).await,
        Command::Operate(verb) => verb.run(terminal).await,
        Command::Completions { shell } => commands::completions(shell, terminal),
        Command::Man { out } => commands::man(out.as_deref(), terminal),
    }
}
