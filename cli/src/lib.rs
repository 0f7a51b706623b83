//! The command `quiz-etl`.

mod backfill;
mod commands;
mod dead_letters;
mod doctor;
pub mod dry_run;
mod embedded;
mod next_step;
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

/// Syncs quiz results: every student's report, right to the last mark.
///
/// Exit codes: 0 done, 1 failed, 2 wrong use.
#[derive(Debug, Parser)]
#[command(name = "quiz-etl", version = version())]
pub struct Cli {
    /// Machine-readable output: one JSON object on standard output.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole pipeline on a bundled real data set, embedded: nothing to install, no account.
    ///
    /// Takes the answers of 1,525 people to the 16 SAPA ability items as the Quiz Engine would store
    /// them, sends one completion event for each person, and writes every report.
    #[command(after_help = commands::DEMO_EXAMPLES)]
    Demo {
        /// The folder to write to; running again brings it up to date.
        #[arg(long, default_value = "demo")]
        out: PathBuf,
    },
    /// Run the same pipeline, embedded, on a mongodump folder.
    #[command(after_help = commands::LOCAL_EXAMPLES)]
    Local {
        /// The folder with quizzes.bson, questions.bson and sessions.bson (or each with .gz).
        #[arg(long)]
        source: PathBuf,
        /// Events as they are published: one on each line, over several lines, or in a JSON array; without
        /// it, every quiz of the dump is synced, its id as the session id.
        #[arg(long)]
        events: Option<PathBuf>,
        /// The folder to write reports.db, warehouse/, notices.jsonl and overview/ to.
        #[arg(long)]
        out: PathBuf,
    },
    /// Print one student's report.
    #[command(after_help = commands::REPORT_EXAMPLES)]
    Report {
        /// The test session's id.
        session: String,
        /// The student's user id.
        user: String,
        /// The folder that `local` or `demo` wrote; without it, DynamoDB is read.
        #[arg(long)]
        from: Option<PathBuf>,
    },
    Sync(crate::backfill::SyncArgs),
    Backfill(crate::backfill::BackfillArgs),
    Status(crate::status::StatusArgs),
    Dlq(crate::dead_letters::DlqArgs),
    Doctor(crate::doctor::DoctorArgs),
    /// Print the completions of a shell.
    #[command(after_help = commands::COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell that is to complete.
        shell: Shell,
    },
    /// Print the manual page, or write a page for each command.
    #[command(after_help = commands::MAN_EXAMPLES)]
    Man {
        /// The folder to write a page for each command to, such as one of `manpath` with `/man1`.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// The package's version, and the commit where it is known: `0.1.0 (0123456789ab)`.
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
/// What broke it off, as one sentence for a person.
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
        Command::Sync(args) => commands::sync(&args, terminal).await,
        Command::Backfill(args) => commands::backfill(&args, terminal).await,
        Command::Status(args) => crate::status::run(&args, terminal).await,
        Command::Dlq(args) => crate::dead_letters::run(args, terminal).await,
        Command::Doctor(args) => crate::doctor::run(&args, terminal).await,
        Command::Completions { shell } => commands::completions(shell, terminal),
        Command::Man { out } => commands::man(out.as_deref(), terminal),
    }
}
