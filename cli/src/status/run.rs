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

/// Tells how tests stand.
///
/// # Errors
/// Where the states cannot be read; the text says what to do.
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

pub async fn read(source: &Source, args: &StatusArgs) -> anyhow::Result<Overview> {
    let states =
        if args.sessions.is_empty() { source.all().await? } else { source.of(keys(&args.sessions)).await? };
    Ok(Overview::new(states, args, &source.rules, Timestamp::now()))
}

/// For a person: a table, or everything about the sessions that were named.
pub fn text(overview: &Overview, args: &StatusArgs, moments: &Moments, canvas: Canvas) -> String {
    if args.sessions.is_empty() {
        let limit = args.limit.map_or(LIMIT, std::num::NonZero::get);
        return list(overview, limit, moments, canvas);
    }
    details(overview, moments, canvas)
}

/// For a program.
pub fn json(overview: &Overview, args: &StatusArgs) -> anyhow::Result<String> {
    Ok(serde_json::to_string(&Answer::of(overview, args.limit.map(std::num::NonZero::get)))?)
}

/// Of a session that no sink has a state of.
pub fn unknown(session: &str) -> String {
    let asks = format!("`quiz-etl sync {}` asks for it", quoted(session));
    format!("no sink has a sync state of session {session}: {asks}")
}
