use std::path::Path;

use anyhow::Context;
use quiz_local::DumpSource;
use serde_json::json;

use crate::embedded::{self, Ran};
use crate::summary::Summary;
use crate::view::{self, OutcomeLine};
use crate::{Done, Terminal};

/// Runs the pipeline on a mongodump folder.
pub async fn local(
    source: &Path,
    events: Option<&Path>,
    out: &Path,
    terminal: Terminal,
) -> anyhow::Result<Done> {
    let dump = DumpSource::open(source)?;
    let events = match events {
        Some(file) => read_events(file)?,
        None => every_quiz(&dump, source)?,
    };
    terminal.step(&format!("{} events on the embedded queue", events.len()));
    let ran = embedded::run(dump, events, out, terminal).await?;
    if terminal.json {
        terminal.print(&ran.json().to_string());
    } else {
        terminal.print(&outcomes(&ran, terminal));
    }
    Ok(done(&ran.summary))
}

/// One event on each line, as it would be published; blank lines are passed over.
fn read_events(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the events in {}", file.display()))?;
    let events: Vec<String> =
        text.lines().map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect();
    anyhow::ensure!(!events.is_empty(), "there is no event in {}", file.display());
    Ok(events)
}

fn every_quiz(dump: &DumpSource, source: &Path) -> anyhow::Result<Vec<String>> {
    let event = |id: &str| json!({"type": "session.sync", "session_id": id, "quiz_id": id}).to_string();
    let events: Vec<String> = dump.quiz_ids().map(event).collect();
    anyhow::ensure!(!events.is_empty(), "there is no quiz in {}", source.display());
    Ok(events)
}

/// What was done, test by test, and what was not.
pub fn outcomes(ran: &Ran, terminal: Terminal) -> String {
    let mut lines = Vec::new();
    for outcome in ran.summary.latest() {
        let line = OutcomeLine {
            test_name: outcome.test_name.clone(),
            session_id: outcome.session_id.clone(),
            takers: outcome.takers,
            ranked: outcome.ranked,
            written: outcome.written,
            removed: outcome.deleted,
            messages: outcome.messages,
            duration: outcome.duration,
            problems: outcome.problems.iter().collect(),
        };
        lines.push(view::outcome(&line, terminal.colour));
        if let Some(shown) = ran.top_ranks.iter().find(|it| it.session_id == outcome.session_id) {
            lines.push(format!("  overview: {}", shown.page.display()));
        }
    }
    let parked = &ran.summary.parked;
    if !parked.is_empty() {
        lines.push(format!("not done: {} messages parked", parked.len()));
    }
    for (_, cause) in parked {
        lines.push(format!("  {} ({})", cause.error, cause.code));
    }
    lines.push(format!("reports: {}", ran.database.display()));
    lines.join("\n")
}

pub fn done(summary: &Summary) -> Done {
    if summary.parked.is_empty() { Done::Well } else { Done::WithFailures }
}
