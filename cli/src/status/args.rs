use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser};
use jiff::{SignedDuration, Span, SpanRelativeTo};
use quiz_events::Sink;
use quiz_sync_state::Standing;

const EXAMPLES: &str = "\
Examples:
  quiz-etl status                                    unsynced test sessions, worst first
  quiz-etl status --watch                            the same, redrawn every 2 s until Ctrl-C
  quiz-etl status --standing parked --standing failed --sink warehouse
  quiz-etl status EnableStudents_6715f621e1eb083bfa9b56cc
  quiz-etl status --check --older-than 30m           exit code 1 if something is stuck
  quiz-etl status --all --json | jq '.tests[] | select(.takers > 1000)'
  quiz-etl status --from out                         the result of an embedded run

Standings of a test session in a sink:
  parked    the last sync failed; its messages are in the dead-letter queue
  failed    the last sync failed; SQS delivers its messages again
  behind    a request is newer than the last sync, and no sync is running
  running   a sync is running
  waiting   a follow-up is scheduled
  synced    all requests are synced

Environment: SYNC_STATE_TABLE (default quiz_sync_state) and the variables of the AWS SDK.";

/// Show parked, failed, stale and running test sessions.
///
/// Reads the sync states and changes nothing.
/// Without SESSION, shows a table of unsynced test sessions, worst first, then oldest, and counts by standing.
/// `--all`, `--standing synced` and `--from` also read and count synced ones.
/// With SESSION, shows all details.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, after_help = "For examples and the meaning of each standing, use --help")]
pub struct StatusArgs {
    /// Show all details of these test sessions.
    #[arg(value_name = "SESSION", value_parser = NonEmptyStringValueParser::new())]
    pub sessions: Vec<String>,
    /// Include synced test sessions, which reads each sync state that was ever stored.
    #[arg(long, conflicts_with = "standings")]
    pub all: bool,
    /// Show only this sink.
    #[arg(long, value_parser = sink())]
    pub sink: Option<Sink>,
    /// Show only this standing; repeatable.
    #[arg(long = "standing", value_name = "STANDING", value_parser = standing())]
    pub standings: Vec<Standing>,
    /// Show only test sessions with the same standing for longer than this, such as `90s`, `30m`, `12h` or `2d`.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub older_than: Option<SignedDuration>,
    /// Show at most this many test sessions; the default of a table is 50.
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<NonZeroUsize>,
    /// Exit with 1 if anything shown is parked, failed or behind.
    #[arg(long, visible_alias = "exit-code", conflicts_with = "watch")]
    pub check: bool,
    /// Read again after this many seconds (default 2), until Ctrl-C.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = seconds
    )]
    pub watch: Option<Duration>,
    /// Read the output folder of `local` or `demo` instead of DynamoDB.
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
}

impl StatusArgs {
    /// Whether synced test sessions are read as well. A folder has few of them; a table has each one since the first sync.
    #[must_use]
    pub fn reads_synced(&self) -> bool {
        self.all
            || self.standings.contains(&Standing::Synced)
            || self.from.is_some()
            || !self.sessions.is_empty()
    }
}

fn sink() -> impl TypedValueParser<Value = Sink> {
    PossibleValuesParser::new(Sink::ALL.map(Sink::as_str)).try_map(|name| name.parse::<Sink>())
}

/// Parses all standings but `unknown`: a test session without a request has no state to find.
fn standing() -> impl TypedValueParser<Value = Standing> {
    let named = Standing::ALL.into_iter().filter(|standing| *standing != Standing::Unknown);
    PossibleValuesParser::new(named.map(Standing::name)).try_map(|name| {
        Standing::ALL.into_iter().find(|standing| standing.name() == name).ok_or("unknown standing")
    })
}

fn age(text: &str) -> Result<SignedDuration, String> {
    let span: Result<Span, _> = text.trim().parse();
    let age = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let age = age.ok().filter(|age| !age.is_negative());
    age.ok_or_else(|| "not an age: give a number with its unit, such as 90s, 30m, 12h or 2d".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let seconds = seconds.filter(|every| (0.1..=86_400.0).contains(&every.as_secs_f64()));
    seconds.ok_or_else(|| "not an interval: give seconds from 0.1 to 86400".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{StatusArgs, age};
    use clap::Parser;
    use jiff::SignedDuration;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: StatusArgs,
    }

    #[test]
    fn age_needs_a_unit() {
        assert_eq!(age("90s").unwrap(), SignedDuration::from_secs(90));
        assert_eq!(age("1d 12h").unwrap(), SignedDuration::from_hours(36));
        for wrong in ["", "5", "-5m", "soon", "1mo"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn session_after_watch_is_not_its_interval() {
        let parsed = Command::try_parse_from(["status", "--watch", "7"]).unwrap().args;
        assert_eq!(
            (parsed.sessions, parsed.watch.map(|every| every.as_secs())),
            (vec!["7".to_owned()], Some(2))
        );
        let parsed = Command::try_parse_from(["status", "--watch=7"]).unwrap().args;
        assert_eq!(parsed.watch.map(|every| every.as_secs()), Some(7));
        for wrong in ["--watch=0", "--watch=-1", "--watch=NaN", "--standing=unknown", "--limit=0"] {
            assert!(Command::try_parse_from(["status", wrong]).is_err(), "{wrong}");
        }
    }
}
