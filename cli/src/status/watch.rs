use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::status::args::StatusArgs;
use crate::status::layout::{Canvas, shortened};
use crate::status::moments::Moments;
use crate::status::overview::Overview;
use crate::status::run::{json, read, text, unknown};
use crate::status::screen::Screen;
use crate::status::source::Source;
use crate::ui::{Done, Interrupt, Terminal, clean, seconds};

/// Redraws the standings until Ctrl-C, or until standard output is closed. Shows a failed read and retries it; only the
/// first read must succeed.
pub async fn watch(
    source: &Source,
    args: &StatusArgs,
    every: Duration,
    terminal: Terminal,
) -> anyhow::Result<Done> {
    let interrupt = Interrupt::listen();
    let mut overview = tokio::select! {
        () = interrupt.raised() => return Ok(Done::Well),
        first = read(source, args) => first?,
    };
    let Ok(screen) = Screen::open() else { return Ok(Done::Well) };
    let mut failure = None;
    loop {
        let frame = if terminal.json {
            json_frame(&overview, failure.as_deref(), args)?
        } else {
            frame(&overview, failure.as_deref(), args, every, terminal, &screen)
        };
        if screen.show(&frame).is_err() {
            return Ok(Done::Well);
        }
        let read = async {
            tokio::time::sleep(every).await;
            read(source, args).await
        };
        tokio::select! {
            () = interrupt.raised() => return Ok(Done::Well),
            read = read => match read {
                Ok(read) => (overview, failure) = (read, None),
                Err(error) => failure = Some(format!("{error:#}")),
            },
        }
    }
}

/// One picture of the screen. After a failed read it shows the failure and the last good read.
fn frame(
    overview: &Overview,
    failure: Option<&str>,
    args: &StatusArgs,
    every: Duration,
    terminal: Terminal,
    screen: &Screen,
) -> String {
    let ink = terminal.ink();
    let canvas = Canvas::from_process(ink);
    let moments = Moments::from_process(Timestamp::now());
    let head = failure.map_or_else(
        || ink.quiet(&format!("{}  every {}; stop with Ctrl-C", moments.clock(), seconds(every))),
        |failure| ink.bad(&format!("{}  {}; trying again", moments.clock(), clean(failure))),
    );
    let mut all = vec![head, String::new()];
    let lines = canvas.lines.filter(|_| screen.is_terminal());
    let canvas = Canvas { lines: lines.map(|lines| lines.saturating_sub(all.len())), ..canvas };
    let body = text(overview, args, &Moments { now: overview.at, ..moments }, canvas);
    all.extend(body.lines().map(str::to_owned));
    all.extend(overview.unknown.iter().map(|session| unknown(session)));
    if let Some(lines) = lines {
        all.truncate(lines);
        for line in &mut all {
            *line = shortened(line, canvas.width);
        }
    } else {
        all.push(String::new());
    }
    all.join("\n")
}

fn json_frame(overview: &Overview, failure: Option<&str>, args: &StatusArgs) -> anyhow::Result<String> {
    match failure {
        Some(failure) => Ok(json!({"at": Timestamp::now(), "error": failure}).to_string()),
        None => json(overview, args),
    }
}
