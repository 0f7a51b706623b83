use clap::Args;

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
    #[arg(value_parser = user_id)]
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

/// Refuses an id that no student can have, because a mistyped id would look like a student without data.
fn user_id(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("the id is empty"),
        _ if text.trim() != text => Err("the id begins or ends with a blank"),
        _ if text.contains(char::is_control) => Err("the id has a control character"),
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::user_id;

    #[test]
    fn mistyped_ids_are_refused() {
        assert_eq!(user_id("20231234").as_deref(), Ok("20231234"));
        for mistyped in ["", " 20231234", "20231234 ", "2023\n1234", "\u{a0}7"] {
            assert!(user_id(mistyped).is_err(), "{mistyped:?}");
        }
    }
}
