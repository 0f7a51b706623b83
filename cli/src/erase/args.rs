use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::audit::AuditArgs;

const EXAMPLES: &str = "\
Examples:
  quiz-etl erase 20231234 --dry-run
  quiz-etl erase 20231234 --reason 'request 17 of the data protection officer'

Delete the attempts in MongoDB first. docs/ERASURE.md says what stays, and why.";

/// Erase one student: report items, warehouse rows, snapshots and parked messages.
///
/// Refuses while MongoDB has attempts of the student, because the next sync would write them again. Shows a plan before
/// it starts. Syncs the student's test sessions, so that the ranks of the others are right. After an interruption, run
/// the command again. Needs a reason.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct EraseArgs {
    /// The user id of the student.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub user: String,
    /// Show what would be erased, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Start without a confirmation.
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub audit: AuditArgs,
}
