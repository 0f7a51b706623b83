use std::num::NonZeroU32;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use crate::audit::AuditArgs;
use crate::dead_letters::MessageFilter;

const LIST_EXAMPLES: &str = "\
Examples:
  quiz-etl dlq list
  quiz-etl dlq list --code unknown_quiz --newer-than 2h
  quiz-etl dlq list --json | jq '.messages[].session_ids'

Finds the dead-letter queues of all queues and subscriptions of the topics EVENTS_TOPIC_ARN and
NOTICES_TOPIC_ARN. `list` and `show` work without NOTICES_TOPIC_ARN.";

const SHOW_EXAMPLES: &str = "\
Examples:
  quiz-etl dlq show 1f2e3d4c
  quiz-etl dlq show 1f2e3d4c --raw";

const REPLAY_EXAMPLES: &str = "\
Examples:
  quiz-etl dlq replay --code source_unavailable --reason 'MongoDB is back'
  quiz-etl dlq replay --session EnableStudents_6715f621e1eb083bfa9b56cc --yes --reason 'quiz corrected'
  quiz-etl dlq replay --all --older-than 1d --dry-run

Sends each message before deleting it. An interrupted replay loses none; the next one may send a few
of them again, which does no harm.";

const DROP_EXAMPLES: &str = "\
Examples:
  quiz-etl dlq drop --id 1f2e3d4c --reason 'a test event sent by hand'
  quiz-etl dlq drop --code unknown_quiz --older-than 7d --reason 'quizzes deleted in the spring'

Posts the reason on Discord before it deletes.";

/// List, show, replay or delete parked messages.
#[derive(Debug, Args)]
pub struct DlqArgs {
    #[command(subcommand)]
    pub command: DlqCommand,
}

#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// List the parked messages by queue and cause.
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Show one or more parked messages with cause, attributes and body.
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Send parked messages back to the queue that they came from.
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Delete parked messages permanently.
    #[command(after_help = DROP_EXAMPLES)]
    Drop(DropArgs),
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Show this many single messages, oldest first; --json shows all.
    #[arg(long, default_value_t = 20)]
    pub limit: usize,
    #[command(flatten)]
    pub filter: MessageFilter,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The message id, or its first characters.
    #[arg(required = true, value_name = "MESSAGE_ID", value_parser = NonEmptyStringValueParser::new())]
    pub ids: Vec<String>,
    /// Show the body unchanged, with the envelope of SNS.
    #[arg(long)]
    pub raw: bool,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Select all messages, or all that match the other options.
    #[arg(long, help_heading = "Messages")]
    pub all: bool,
    /// Send this many messages a second.
    #[arg(long, default_value = "10", value_parser = rate)]
    pub rate: NonZeroU32,
    /// Show what would be replayed, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Start without asking.
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub audit: AuditArgs,
    #[command(flatten)]
    pub filter: MessageFilter,
}

#[derive(Debug, Args)]
pub struct DropArgs {
    /// Select all messages, or all that match the other options.
    #[arg(long, help_heading = "Messages")]
    pub all: bool,
    /// Show what would be deleted, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Start without asking.
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub audit: AuditArgs,
    #[command(flatten)]
    pub filter: MessageFilter,
}

fn rate(text: &str) -> Result<NonZeroU32, String> {
    let rate = text.parse().ok().filter(|rate: &NonZeroU32| rate.get() <= 1_000);
    rate.ok_or_else(|| "give a number of messages a second from 1 to 1000".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command};

    use super::DlqArgs;

    #[test]
    fn help_has_examples() {
        let mut dlq = DlqArgs::augment_args(Command::new("quiz-etl dlq").term_width(100));
        let mut shown = vec![dlq.render_long_help().to_string()];
        dlq.build();
        shown.extend(dlq.get_subcommands_mut().filter(|verb| verb.get_name() != "help").map(|verb| {
            let help = verb.render_long_help().to_string();
            assert!(help.contains(&format!("quiz-etl dlq {}", verb.get_name())), "{help}");
            help
        }));
        insta::assert_snapshot!(shown.join("\n----\n"));
    }
}
