use std::path::PathBuf;

use bson::Bson;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use jiff::{Span, SpanRelativeTo, Timestamp};
use quiz_events::Sink;

const HOW: &str = "How it goes";

const SYNC_EXAMPLES: &str = "\
Examples:
  quiz-etl sync EnableStudents_6715f621e1eb083bfa9b56cc
  quiz-etl sync EnableStudents_6715f621e1eb083bfa9b56cc --force --wait --reason 'the key of question 7 was mended'
  quiz-etl sync Mock-test-3 --quiz-id 6715f621e1eb083bfa9b56cc
  quiz-etl sync EnableStudents_6715f621e1eb083bfa9b56cc --dry-run";

const BACKFILL_EXAMPLES: &str = "\
Examples:
  quiz-etl backfill --since 3d --dry-run
  quiz-etl backfill --quiz-type assessment --since 2026-11-01 --until 2026-11-08 --reason 'new chapter table'
  quiz-etl backfill --file sessions.txt --rate 2 --yes
  quiz-etl backfill --file sessions.txt --dry-run --against local --out look
  quiz-etl backfill --resume";

/// Which tests.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which tests")]
pub struct Choice {
    /// Test sessions, by their ids; commas may separate them.
    pub sessions: Vec<String>,
    /// A file of session ids, one on each line or with commas or spaces between them; of session.sync
    /// events as JSON, which may describe the test; or a CSV file with a column session_id. `-` is
    /// standard input.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Tests whose quiz is of this type: assessment, omr-assessment, homework, form.
    #[arg(long, value_name = "TYPE")]
    pub quiz_type: Option<String>,
    /// Tests whose last answers came then or later: 3d, 12h, 2026-11-01, 2026-11-01T18:30 (India's
    /// clock), 2026-11-01T13:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Tests whose last answers came before then.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Also quizzes of that type or time that no sync has ever named, each with its own id as session
    /// id.
    #[arg(long)]
    pub include_unknown: bool,
}

/// Who wants it, and why.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What the events say")]
pub struct Wish {
    /// Sync also what was synced since it was asked for, at once, and write also what is unchanged.
    #[arg(long)]
    pub force: bool,
    /// Why; it goes into the events, the notice and the log.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Who wants it; without it, the user that the environment names.
    #[arg(long, value_name = "NAME")]
    pub requested_by: Option<String>,
}

/// To try it without publishing.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "To try it first")]
pub struct TrialArgs {
    /// Read, score and rank the real documents, and tell what would change; write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: write the results into a local folder, to look at them.
    #[arg(long, value_enum, requires = "dry_run")]
    pub against: Option<Against>,
    /// That folder.
    #[arg(long, value_name = "DIR", default_value = "dry-run", requires = "against")]
    pub out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Against {
    /// reports.db, warehouse/, notices.jsonl and overview/, as of `quiz-etl local`.
    Local,
}

/// Ask for tests to be synced: publishes a `session.sync` event for each of them.
///
/// The functions do the work, and a test that is synced again comes out the same. --dry-run tells
/// what a sync would change.
#[derive(Clone, Debug, Args)]
#[command(after_help = SYNC_EXAMPLES)]
pub struct SyncArgs {
    /// Test sessions, by their ids; commas may separate them.
    #[arg(required = true)]
    pub sessions: Vec<String>,
    /// The quiz, where the session's id does not end in it.
    #[arg(long, value_name = "ID")]
    pub quiz_id: Option<String>,
    /// Stay until the tests are synced.
    #[arg(long, help_heading = HOW)]
    pub wait: bool,
    /// The sinks to wait for.
    #[arg(long = "sink", value_name = "SINK", value_parser = sink(), value_delimiter = ',', help_heading = HOW,
        default_values = ["reports", "warehouse"])]
    pub sinks: Vec<Sink>,
    #[command(flatten)]
    pub wish: Wish,
    #[command(flatten)]
    pub trial: TrialArgs,
}

/// Sync many tests: choose them, see what it costs, publish at a pace, follow until all are done.
///
/// What it does is told before it begins, and on Discord in one message. Interrupted (Ctrl-C), it can
/// be resumed; the tests that are published are synced all the same. What fails is listed with its
/// cause at the end.
#[derive(Clone, Debug, Args)]
#[command(after_help = BACKFILL_EXAMPLES)]
pub struct BackfillArgs {
    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub wish: Wish,
    /// Do not ask.
    #[arg(long, short, help_heading = HOW)]
    pub yes: bool,
    /// Publish so many tests a second.
    #[arg(long, value_name = "TESTS", default_value_t = 5.0, value_parser = rate, help_heading = HOW)]
    pub rate: f64,
    /// The sinks to follow.
    #[arg(long = "sink", value_name = "SINK", value_parser = sink(), value_delimiter = ',', help_heading = HOW,
        default_values = ["reports", "warehouse"])]
    pub sinks: Vec<Sink>,
    /// Publish, and do not stay until all are synced.
    #[arg(long, help_heading = HOW)]
    pub detach: bool,
    /// Go on with an interrupted backfill: that of this id, else the newest.
    #[arg(long, value_name = "ID", num_args = 0..=1, help_heading = HOW, default_missing_value = "", conflicts_with_all =
        ["sessions", "file", "quiz_type", "since", "until", "include_unknown", "force", "reason", "dry_run"])]
    pub resume: Option<String>,
    #[command(flatten)]
    pub trial: TrialArgs,
}

fn sink() -> impl TypedValueParser<Value = Sink> {
    let described = |sink: Sink| {
        PossibleValue::new(sink.as_str()).help(match sink {
            Sink::Reports => "Students' reports, in DynamoDB",
            Sink::Warehouse => "Result rows, in BigQuery",
        })
    };
    PossibleValuesParser::new(Sink::ALL.map(described)).try_map(|name| name.parse::<Sink>())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 =
        text.parse().map_err(|_| "it is a number of tests a second, such as 5 or 0.5".to_owned())?;
    if (0.01..=1_000.0).contains(&rate) { Ok(rate) } else { Err("it is from 0.01 to 1000".to_owned()) }
}

fn moment(text: &str) -> Result<Timestamp, String> {
    moment_at(text, Timestamp::now())
}

/// How long ago, or a time; one without a zone is of India's clock.
fn moment_at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    let ago = text.parse::<Span>().ok().filter(|_| text.starts_with(|it: char| it.is_ascii_digit()));
    let ago = ago.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    if let Some(at) = ago.and_then(|ago| now.checked_sub(ago).ok()) {
        return Ok(at);
    }
    let of_clock = |text: &str| quiz_domain::read_india_time(&Bson::from(text));
    of_clock(text).or_else(|| of_clock(&format!("{text}T00:00:00"))).ok_or_else(|| {
        "it is a time such as 2026-11-01 or 2026-11-01T18:30, or how long ago, such as 3d or 12h".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::moment_at;
    use jiff::Timestamp;

    #[test]
    fn times_are_of_india_s_clock_or_ago() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let at = |text: &str| moment_at(text, now).map(|at| at.to_string());
        assert_eq!(at("3d").as_deref(), Ok("2026-11-18T12:00:00Z"));
        assert_eq!(at("90m").as_deref(), Ok("2026-11-21T10:30:00Z"));
        assert_eq!(at("1d 2h").as_deref(), Ok("2026-11-20T10:00:00Z"));
        assert_eq!(at("2026-11-01").as_deref(), Ok("2026-10-31T18:30:00Z"));
        assert_eq!(at("2026-11-01T18:30").as_deref(), Ok("2026-11-01T13:00:00Z"));
        assert_eq!(at("2026-11-01T13:00:00Z").as_deref(), Ok("2026-11-01T13:00:00Z"));
        for wrong in ["", "yesterday", "2026-13-01", "P", "-3d"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }
}
