use std::num::NonZeroU32;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use crate::dead_letters::Filter;

const LIST_EXAMPLES: &str = "\
Examples:
  quiz-etl dlq list
  quiz-etl dlq list --code unknown_quiz --newer-than 2h
  quiz-etl dlq list --json | jq '.messages[].session_ids'

Reads EVENTS_TOPIC_ARN and, where it is set, NOTICES_TOPIC_ARN: the dead-letter queues are those of the
queues that these topics feed, and of their subscriptions.";

const SHOW_EXAMPLES: &str = "\
Examples:
  quiz-etl dlq show 1f2e3d4c
  quiz-etl dlq show 1f2e3d4c --raw";

const REPLAY_EXAMPLES: &str = "\
Examples:
  quiz-etl dlq replay --code source_unavailable
  quiz-etl dlq replay --session EnableStudents_6715f621e1eb083bfa9b56cc --yes
  quiz-etl dlq replay --all --older-than 1d --dry-run

A message is sent before it is deleted: interrupted, none is lost, and at most a few are sent a second
time by the next run, which the pipeline takes as nothing new.";

const DROP_EXAMPLES: &str = "\
Examples:
  quiz-etl dlq drop --id 1f2e3d4c --reason 'a test event sent by hand'
  quiz-etl dlq drop --code unknown_quiz --older-than 7d --reason 'quizzes deleted in the spring'

The ops team is told, with the reason, where NOTICES_TOPIC_ARN is set.";

/// What lies in the dead-letter queues, and what is to be done with it.
#[derive(Debug, Args)]
pub struct DlqArgs {
    #[command(subcommand)]
    pub command: DlqCommand,
}

#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// List the messages by queue and cause.
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Show everything of a message: its cause, attributes and body.
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Send messages back to the queue that they came from.
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Delete messages for good.
    #[command(after_help = DROP_EXAMPLES)]
    Drop(DropArgs),
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// How many messages to show one by one, the oldest first; --json has all.
    #[arg(long, default_value_t = 20)]
    pub limit: usize,
    #[command(flatten)]
    pub filter: Filter,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The message's id, or its beginning.
    #[arg(required = true, value_name = "MESSAGE_ID", value_parser = NonEmptyStringValueParser::new())]
    pub ids: Vec<String>,
    /// The body as it lies in the queue, with SNS's envelope.
    #[arg(long)]
    pub raw: bool,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// All messages, or all that the options below leave.
    #[arg(long, help_heading = "Which messages")]
    pub all: bool,
    /// Messages a second.
    #[arg(long, default_value = "10", value_parser = rate)]
    pub rate: NonZeroU32,
    /// Say what would be replayed, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub filter: Filter,
}

#[derive(Debug, Args)]
pub struct DropArgs {
    /// All messages, or all that the options below leave.
    #[arg(long, help_heading = "Which messages")]
    pub all: bool,
    /// Why they may go; the ops team reads it.
    #[arg(long, value_parser = reason)]
    pub reason: String,
    /// Who wants it; without it, the environment's USER.
    #[arg(long, value_name = "NAME")]
    pub requested_by: Option<String>,
    /// Say what would be dropped, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub filter: Filter,
}

fn rate(text: &str) -> Result<NonZeroU32, String> {
    let rate = text.parse().ok().filter(|rate: &NonZeroU32| rate.get() <= 1_000);
    rate.ok_or_else(|| "give a number of messages a second from 1 to 1000".to_owned())
}

fn reason(text: &str) -> Result<String, String> {
    let reason = text.trim();
    if reason.is_empty() { Err("say why in a few words".to_owned()) } else { Ok(reason.to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command};

    use super::DlqArgs;

    #[test]
    fn help_says_how_with_examples() {
        let mut dlq = DlqArgs::augment_args(Command::new("quiz-etl dlq").term_width(100));
        let mut shown = vec![dlq.render_long_help().to_string()];
        dlq.build();
        shown.extend(dlq.get_subcommands_mut().filter(|it| it.get_name() != "help").map(|verb| {
            let help = verb.render_long_help().to_string();
            assert!(help.contains(&format!("quiz-etl dlq {}", verb.get_name())), "{help}");
            help
        }));
        insta::assert_snapshot!(shown.join("\n----\n"));
    }
}
