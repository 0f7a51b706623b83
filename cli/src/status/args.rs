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
  quiz-etl status                                    what is not synced, worst first
  quiz-etl status --watch                            the same, redrawn every 2 s until Ctrl-C
  quiz-etl status --standing parked --standing failed --sink warehouse
  quiz-etl status EnableStudents_6715f621e1eb083bfa9b56cc
  quiz-etl status --check --older-than 30m           exit code 1 where something is stuck
  quiz-etl status --all --json | jq '.tests[] | select(.takers > 1000)'
  quiz-etl status --from out                         of an embedded run

A test stands, in each sink, as one of:
  parked    the last run failed, and its messages lie in the dead-letter queue
  failed    the last run failed; its messages come again by themselves
  behind    more was asked for than is synced, and no run is known to be at it
  running   a run is at it
  waiting   a follow-up is on its way that syncs it
  synced    all that was asked for is synced

Environment: SYNC_STATE_TABLE (quiz_sync_state) and AWS's own variables.";

/// Show which tests are behind, running or failed.
///
/// Reads the sync states, and changes nothing. Without a session: a table of what is not synced, worst
/// first, then oldest, and how many stand how. With sessions: everything that is known of those.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, after_help = "Examples and what each standing means: --help")]
pub struct StatusArgs {
    /// Test sessions to tell everything about.
    #[arg(value_name = "SESSION", value_parser = NonEmptyStringValueParser::new())]
    pub sessions: Vec<String>,
    /// What is synced, too.
    #[arg(long, conflicts_with = "standings")]
    pub all: bool,
    /// This sink only.
    #[arg(long, value_parser = sink())]
    pub sink: Option<Sink>,
    /// Only what stands so; may be given more than once.
    #[arg(long = "standing", value_name = "STANDING", value_parser = standing())]
    pub standings: Vec<Standing>,
    /// Only what has stood so for longer, such as `90s`, `30m`, `12h` or `2d`.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub older_than: Option<SignedDuration>,
    /// No more tests than this; a table shows 50 unless told otherwise.
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<NonZeroUsize>,
    /// Exit with 1 where anything shown is parked, failed or behind.
    #[arg(long, visible_alias = "exit-code", conflicts_with = "watch")]
    pub check: bool,
    /// Read again every so many seconds (2) until Ctrl-C.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = seconds
    )]
    pub watch: Option<Duration>,
    /// The folder that `local` or `demo` wrote; without it, DynamoDB is read.
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
}

fn sink() -> impl TypedValueParser<Value = Sink> {
    PossibleValuesParser::new(Sink::ALL.map(Sink::as_str)).try_map(|name| name.parse::<Sink>())
}

/// All but `unknown`: what nobody asked for has no state to find.
fn standing() -> impl TypedValueParser<Value = Standing> {
    let named = Standing::ALL.into_iter().filter(|it| *it != Standing::Unknown);
    PossibleValuesParser::new(named.map(Standing::name)).try_map(|name| {
        Standing::ALL.into_iter().find(|it| it.name() == name).ok_or("there is no such standing")
    })
}

fn age(text: &str) -> Result<SignedDuration, String> {
    let span: Result<Span, _> = text.trim().parse();
    let age = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let age = age.ok().filter(|age| !age.is_negative());
    age.ok_or_else(|| "an age is a number with its unit, such as 90s, 30m, 12h or 2d".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let seconds = seconds.filter(|it| (0.1..=86_400.0).contains(&it.as_secs_f64()));
    seconds.ok_or_else(|| "seconds between two reads are a number from 0.1 to 86400".to_owned())
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
    fn an_age_has_a_unit() {
        assert_eq!(age("90s").unwrap(), SignedDuration::from_secs(90));
        assert_eq!(age("1d 12h").unwrap(), SignedDuration::from_hours(36));
        for wrong in ["", "5", "-5m", "soon", "1mo"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_session_after_watch_is_no_number_of_seconds() {
        let parsed = Command::try_parse_from(["status", "--watch", "7"]).unwrap().args;
        assert_eq!((parsed.sessions, parsed.watch.map(|it| it.as_secs())), (vec!["7".to_owned()], Some(2)));
        let parsed = Command::try_parse_from(["status", "--watch=7"]).unwrap().args;
        assert_eq!(parsed.watch.map(|it| it.as_secs()), Some(7));
        for wrong in ["--watch=0", "--watch=-1", "--watch=NaN", "--standing=unknown", "--limit=0"] {
            assert!(Command::try_parse_from(["status", wrong]).is_err(), "{wrong}");
        }
    }
}
