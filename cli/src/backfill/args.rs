use std::path::PathBuf;

use bson::Bson;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use jiff::{Span, SpanRelativeTo, Timestamp};
use quiz_events::Sink;

use crate::audit::AuditArgs;

const RUN: &str = "Run";

const SYNC_EXAMPLES: &str = "\
Examples:
  quiz-etl sync EnableStudents_6715f621e1eb083bfa9b56cc
  quiz-etl sync EnableStudents_6715f621e1eb083bfa9b56cc --force --wait --reason 'report edited by hand'
  quiz-etl sync Mock-test-3 --quiz-id 6715f621e1eb083bfa9b56cc
  quiz-etl sync EnableStudents_6715f621e1eb083bfa9b56cc --dry-run";

const BACKFILL_EXAMPLES: &str = "\
Examples:
  quiz-etl backfill --since 3d --dry-run
  quiz-etl backfill --quiz-type assessment --since 2026-11-01 --until 2026-11-08 --reason 'new chapter table'
  quiz-etl backfill --file sessions.txt --rate 2 --yes --reason 'first import'
  quiz-etl backfill --file sessions.txt --dry-run --against local --out dry-run
  quiz-etl backfill --resume";

/// The options that select test sessions.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Test sessions")]
pub struct SelectionArgs {
    /// Ids of test sessions, separated by spaces or commas.
    pub sessions: Vec<String>,
    /// Read test sessions from a file: session ids separated by lines, spaces or commas; session.sync
    /// events as JSON, with or without a description; or CSV with a column session_id. `-` reads
    /// standard input.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Only quizzes of this type: assessment, omr-assessment, homework, form.
    #[arg(long, value_name = "TYPE")]
    pub quiz_type: Option<String>,
    /// Only quizzes whose newest answer is at least this new: 3d, 12h, 2026-11-01, 2026-11-01T18:30
    /// (India's clock), 2026-11-01T13:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Only quizzes whose newest answer is older than this.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Include quizzes that no sync has named yet; each gets its own id as session id.
    #[arg(long)]
    pub include_unknown: bool,
}

/// The fields that go into each request.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Request")]
pub struct RequestArgs {
    /// Sync now, even if already up to date, and rewrite unchanged items.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub audit: AuditArgs,
}

/// The options of a dry run.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Dry run")]
pub struct TrialArgs {
    /// Read, score and rank the real documents and show what would change; publish and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: also write the results into a local folder.
    #[arg(long, value_enum, requires = "dry_run")]
    pub against: Option<Against>,
    /// The folder for --against local.
    #[arg(long, value_name = "DIR", default_value = "dry-run", requires = "against")]
    pub out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Against {
    /// Write reports.db, warehouse/, notices.jsonl and overview/, as `quiz-etl local` does.
    Local,
}

/// Request a sync of one or more test sessions.
///
/// Publishes a session.sync event for each test session; the functions sync it. A repeated sync gives
/// the same results. --dry-run shows what a sync would change. --force needs a reason.
#[derive(Clone, Debug, Args)]
#[command(after_help = SYNC_EXAMPLES)]
pub struct SyncArgs {
    /// Ids of test sessions, separated by spaces or commas.
    #[arg(required = true)]
    pub sessions: Vec<String>,
    /// The id of the quiz, if the session id does not end with it.
    #[arg(long, value_name = "ID")]
    pub quiz_id: Option<String>,
    /// Wait until all test sessions are synced.
    #[arg(long, help_heading = RUN)]
    pub wait: bool,
    /// The sinks that --wait waits for.
    #[arg(long = "sink", value_name = "SINK", value_parser = sink(), value_delimiter = ',', help_heading = RUN,
        default_values = ["reports", "warehouse"])]
    pub sinks: Vec<Sink>,
    #[command(flatten)]
    pub request: RequestArgs,
    #[command(flatten)]
    pub trial: TrialArgs,
}

/// Sync many test sessions at a steady rate, and follow them until all are done.
///
/// Shows a plan before it starts; posts one Discord message and updates it. After Ctrl-C, --resume
/// continues; the functions still sync the test sessions already published. Lists each failure with
/// its cause at the end. Needs a reason.
#[derive(Clone, Debug, Args)]
#[command(after_help = BACKFILL_EXAMPLES)]
pub struct BackfillArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub request: RequestArgs,
    /// Start without asking.
    #[arg(long, short, help_heading = RUN)]
    pub yes: bool,
    /// Publish this many test sessions a second.
    #[arg(long, value_name = "NUMBER", default_value_t = 5.0, value_parser = rate, help_heading = RUN)]
    pub rate: f64,
    /// The sinks to follow.
    #[arg(long = "sink", value_name = "SINK", value_parser = sink(), value_delimiter = ',', help_heading = RUN,
        default_values = ["reports", "warehouse"])]
    pub sinks: Vec<Sink>,
    /// Publish and exit, without following the syncs.
    #[arg(long, help_heading = RUN)]
    pub detach: bool,
    /// Continue an interrupted backfill: the one with this id, else the newest.
    #[arg(long, value_name = "ID", num_args = 0..=1, help_heading = RUN, default_missing_value = "", conflicts_with_all =
        ["sessions", "file", "quiz_type", "since", "until", "include_unknown", "force", "reason", "dry_run"])]
    pub resume: Option<String>,
    #[command(flatten)]
    pub trial: TrialArgs,
}

fn sink() -> impl TypedValueParser<Value = Sink> {
    let described = |sink: Sink| {
        PossibleValue::new(sink.as_str()).help(match sink {
            Sink::Reports => "Students' reports in DynamoDB",
            Sink::Warehouse => "Result rows in BigQuery",
        })
    };
    PossibleValuesParser::new(Sink::ALL.map(described)).try_map(|name| name.parse::<Sink>())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| (0.01..=1_000.0).contains(rate));
    rate.ok_or_else(|| "give a number of test sessions a second from 0.01 to 1000".to_owned())
}

fn moment(text: &str) -> Result<Timestamp, String> {
    moment_at(text, Timestamp::now())
}

/// Reads an age or a time; a time without a zone is on India's clock.
fn moment_at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    let ago =
        text.parse::<Span>().ok().filter(|_| text.starts_with(|character: char| character.is_ascii_digit()));
    let ago = ago.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    if let Some(at) = ago.and_then(|ago| now.checked_sub(ago).ok()) {
        return Ok(at);
    }
    let read_time = |text: &str| quiz_domain::read_india_time(&Bson::from(text));
    read_time(text).or_else(|| read_time(&format!("{text}T00:00:00"))).ok_or_else(|| {
        "give a time such as 2026-11-01 or 2026-11-01T18:30, or an age such as 3d or 12h".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::moment_at;
    use jiff::Timestamp;

    #[test]
    fn times_are_on_india_s_clock_or_ages() {
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
