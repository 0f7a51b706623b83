use jiff::Timestamp;

use crate::status::args::StatusArgs;
use crate::status::details::details;
use crate::status::json::Answer;
use crate::status::layout::Canvas;
use crate::status::list::{LIMIT, list};
use crate::status::moments::Moments;
use crate::status::overview::{Overview, keys};
use crate::status::source::Source;
use crate::status::watch::watch;
use crate::ui::{Done, Terminal, quoted};

/// Shows the standing of test sessions.
///
/// # Errors
/// The states cannot be read; the text names the next step.
pub async fn run(args: &StatusArgs, terminal: Terminal) -> anyhow::Result<Done> {
    let source = Source::open(args.from.as_deref()).await?;
    if let Some(every) = args.watch {
        return watch(&source, args, every, terminal).await;
    }
    let overview = read(&source, args).await?;
    if terminal.json {
        terminal.print_json_text(&json(&overview, args)?);
    } else {
        let canvas = Canvas { lines: None, ..Canvas::from_process(terminal.ink()) };
        let moments = Moments::from_process(overview.at);
        let text = text(&overview, args, &moments, canvas);
        if !text.is_empty() {
            terminal.print(&text);
        }
    }
    for session in &overview.unknown {
        terminal.complain(&unknown(session));
    }
    let is_bad = !overview.unknown.is_empty() || (args.check && overview.has_trouble());
    Ok(if is_bad { Done::WithFailures } else { Done::Well })
}

/// Reads the states that the arguments choose.
pub async fn read(source: &Source, args: &StatusArgs) -> anyhow::Result<Overview> {
    let states = if !args.sessions.is_empty() {
        source.get(keys(&args.sessions)).await?
    } else if args.reads_synced() {
        source.all().await?
    } else {
        source.unfinished().await?
    };
    Ok(Overview::new(states, args, &source.rules, Timestamp::now()))
}

/// For a person: a table, or all details of the sessions on the command line.
pub fn text(overview: &Overview, args: &StatusArgs, moments: &Moments, canvas: Canvas) -> String {
    if args.sessions.is_empty() {
        let limit = args.limit.map_or(LIMIT, std::num::NonZero::get);
        return list(overview, limit, moments, canvas);
    }
    details(overview, moments, canvas)
}

/// For a program.
pub fn json(overview: &Overview, args: &StatusArgs) -> anyhow::Result<String> {
    Ok(serde_json::to_string(&Answer::new(overview, args.limit.map(std::num::NonZero::get)))?)
}

/// The error for a session without a state in any sink.
pub fn unknown(session: &str) -> String {
    format!(
        "session {session} has no sync state in any sink: request a sync with `quiz-etl sync {}`",
        quoted(session)
    )
}
