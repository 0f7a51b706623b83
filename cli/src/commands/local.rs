use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use quiz_events::{Entries, Entry, EntryText};
use quiz_local::DumpSource;
use quiz_pipeline::ports::AnswerSource;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::embedded::{self, EmbeddedRun, SinkRun};
use crate::output_folder::OutputFolder;
use crate::ui::{Done, Terminal, counted, excerpt};
use crate::view;

pub const EXAMPLES: &str = "\
Examples:
  quiz-etl local --source dump/quiz --out out
  quiz-etl local --source dump/quiz --events events.jsonl --out out
  REPORT_FORMATS=v1,v2 quiz-etl local --source dump/quiz --out out --json | jq .parked";

/// Runs the pipeline on a mongodump folder.
pub async fn local(
    source: &Path,
    events: Option<&Path>,
    out: &Path,
    terminal: Terminal,
) -> anyhow::Result<Done> {
    // refuse a folder in use first: a large dump takes minutes to open
    let folder = OutputFolder::claim(out)?;
    let dump = DumpSource::open(source)?;
    if !dump.has_questions() {
        terminal.step("no questions.bson: subjects and chapters come from the quizzes only");
    }
    let events = match events {
        Some(file) => read_events(file)?,
        None => sync_every_quiz(&dump, source)?,
    };
    run_embedded(Arc::new(dump), events, &folder, terminal).await
}

/// Runs the embedded pipeline on these answers and events, and prints the outputs in the folder.
pub async fn run_embedded(
    source: Arc<dyn AnswerSource>,
    events: Vec<Arc<str>>,
    folder: &OutputFolder,
    terminal: Terminal,
) -> anyhow::Result<Done> {
    terminal.step(&format!("{} in the embedded queue", counted(events.len(), "event")));
    let ran = embedded::run(source, events, folder, terminal).await?;
    if terminal.json {
        terminal.print_json(&ran.json());
    } else {
        print_run(&ran, terminal);
    }
    Ok(ran.done())
}

/// Reads the events of a file in the form in which they are published.
fn read_events(file: &Path) -> anyhow::Result<Vec<Arc<str>>> {
    let events = File::open(file).map_err(anyhow::Error::from).and_then(|opened| {
        let mut entries = Entries::new(BufReader::new(opened));
        let mut events = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            events.push(event(entry)?);
        }
        Ok(events)
    });
    let events = events.with_context(|| format!("cannot read the events in {}", file.display()))?;
    anyhow::ensure!(!events.is_empty(), "no event in {}", file.display());
    Ok(events)
}

/// Accepts any JSON: the pipeline parks JSON that is not an event, as on a queue. Other text must parse as an event.
fn event(entry: Entry) -> anyhow::Result<Arc<str>> {
    let text = match entry.text {
        EntryText::Json(json) => return Ok(json.into()),
        EntryText::Line(text) => text,
    };
    match quiz_events::parse(&text, None) {
        Err(error) if serde_json::from_str::<IgnoredAny>(&text).is_err() => {
            bail!("line {}: {error}", entry.line);
        }
        _ => Ok(text.into()),
    }
}

/// A sync request for each quiz in the dump.
fn sync_every_quiz(dump: &DumpSource, source: &Path) -> anyhow::Result<Vec<Arc<str>>> {
    let event =
        |id: &str| json!({"type": "session.sync", "session_id": id, "quiz_id": id}).to_string().into();
    let events: Vec<Arc<str>> = dump.quiz_ids().map(event).collect();
    anyhow::ensure!(!events.is_empty(), "no quiz in {}", source.display());
    Ok(events)
}

/// Prints the outcome of each test session, the notices, the output files and the failures.
pub fn print_run(ran: &EmbeddedRun, terminal: Terminal) {
    let rows = ran.warehouse.summary.latest();
    for outcome in ran.reports.summary.latest() {
        terminal.print(&view::outcome(outcome, terminal.colour));
        if outcome.participants == 0 {
            terminal
                .print(&format!("  {} has no attempts yet: nothing to report", excerpt(&outcome.test_name)));
        }
        if let Some(rows) = rows.iter().find(|synced| synced.session_id == outcome.session_id) {
            terminal.print(&format!("  warehouse: {} rows", rows.rows_written));
        }
        if let Some(shown) = ran.top_ranks.iter().find(|shown| shown.session_id == outcome.session_id) {
            terminal.print(&format!("  overview: {}", shown.page.display()));
        }
    }
    for message in &ran.messages {
        terminal.print("on Discord:");
        terminal.print(&view::notice(&message.post.payload(), terminal.colour));
    }
    terminal.print(&format!("notices: {}", ran.notices.display()));
    terminal.print(&format!("reports: {}", ran.database.display()));
    terminal.print(&format!("rows: {}", ran.rows.display()));
    let causes = ran.reports.summary.causes();
    let other = ran.warehouse.summary.causes();
    let known: HashSet<&str> = causes.iter().map(|(cause, _)| cause.error.as_str()).collect();
    let other = other.iter().filter(|(cause, _)| !known.contains(cause.error.as_str()));
    for (cause, messages) in causes.iter().chain(other) {
        let suffix = if *messages > 1 { format!(", {messages} messages") } else { String::new() };
        terminal.complain(&format!("{} ({}{suffix})", cause.error, cause.code));
    }
    for sink in [&ran.reports, &ran.warehouse] {
        for failed in unfinished(sink) {
            terminal.complain(&failed);
        }
    }
}

/// The errors for messages that are neither done nor parked, with the known causes of their failed syncs.
fn unfinished(sink: &SinkRun) -> Vec<String> {
    if sink.given_up == 0 {
        return Vec::new();
    }
    let messages = counted(sink.given_up, "message");
    let parked: HashSet<&str> = sink.summary.parked.iter().map(|(_, cause)| cause.error.as_str()).collect();
    let failed = sink.summary.failed.iter().filter(|(_, error)| !parked.contains(error.as_str()));
    let failed: Vec<String> = failed.map(|(session, error)| format!("session {session}: {error}")).collect();
    let (first, others) = match failed.split_first() {
        Some((first, others)) => (first.as_str(), others),
        None => ("the sync stopped without a cause; run again with RUST_LOG=debug to find it", &[][..]),
    };
    std::iter::once(format!("{messages} given up: {first}")).chain(others.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use crate::embedded::SinkRun;
    use crate::summary::Summary;

    #[test]
    fn unfinished_messages_come_with_their_cause() {
        let shown = |given_up: usize, failed: &[(&str, &str)]| {
            let failed = failed.iter().map(|(session, error)| ((*session).to_owned(), (*error).to_owned()));
            super::unfinished(&SinkRun {
                summary: Summary { failed: failed.collect(), ..Summary::default() },
                given_up,
            })
        };
        assert!(shown(0, &[("A", "no answer")]).is_empty());
        assert_eq!(shown(2, &[("A", "no answer")]), ["2 messages given up: session A: no answer"]);
        assert_eq!(
            shown(1, &[]),
            [
                "1 message given up: the sync stopped without a cause; run again with RUST_LOG=debug to find it"
            ]
        );
    }
}
