use std::time::Duration;

use quiz_events::SessionDescription;
use quiz_sync_state::{RunResult, Standing};

use crate::status::layout::{Canvas, painted};
use crate::status::moments::Moments;
use crate::status::overview::{Overview, Row};
use crate::ui::{clean, count, counted, quoted, seconds};

type Facts = Vec<(&'static str, String)>;

/// All facts about each test session: its description, then its state in each sink.
pub fn details(overview: &Overview, moments: &Moments, canvas: Canvas) -> String {
    let mut sessions: Vec<&str> = overview.rows.iter().map(|row| row.key.session_id.as_str()).collect();
    sessions.sort_unstable();
    sessions.dedup();
    let sections = sessions.into_iter().map(|session| {
        let rows = overview.rows.iter().filter(|row| row.key.session_id == session);
        let mut rows: Vec<&Row> = rows.collect();
        rows.sort_by_key(|row| &row.key);
        session_section(session, &rows, moments, canvas)
    });
    sections.collect::<Vec<_>>().join("\n\n")
}

fn session_section(session: &str, rows: &[&Row], moments: &Moments, canvas: Canvas) -> String {
    let mut lines = vec![canvas.ink.strong(&clean(session))];
    // the sinks may have different descriptions: the newest one wins
    let described = rows.iter().filter_map(|row| Some((row.state.described_at, row.state.session.as_ref()?)));
    let description = described.max_by_key(|(at, _)| *at).map(|(_, description)| description);
    let quiz = rows.iter().map(|row| row.state.quiz_id.as_str()).find(|id| !id.is_empty());
    let mut facts =
        description.map(|description| description_facts(description, moments)).unwrap_or_default();
    facts.extend(quiz.map(|id| ("quiz", id.to_owned())));
    lines.extend(facts.into_iter().map(|fact| line(fact, 2)));
    for row in rows {
        let sink = canvas.ink.strong(&row.key.sink.to_string());
        if row.standing == Standing::Unknown {
            lines.push(format!("  {sink}: no sync yet"));
            continue;
        }
        let since = moments.since(row.standing, row.since);
        lines.push(format!("  {sink}: {} {since}", painted(canvas.ink, row.standing)));
        lines.extend(state_facts(row, moments).into_iter().map(|fact| line(fact, 4)));
    }
    lines.join("\n")
}

fn line((name, text): (&'static str, String), indent: usize) -> String {
    format!("{:indent$}{name:<20}{}", "", clean(&text))
}

fn description_facts(description: &SessionDescription, moments: &Moments) -> Facts {
    let texts = [
        ("test", &description.test_name),
        ("group", &description.group),
        ("batch", &description.batch),
        ("stream", &description.stream),
        ("course", &description.course),
        ("grade", &description.grade),
        ("school", &description.school),
    ];
    let times = [("starts", description.start_time), ("ends", description.end_time)];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?)));
    texts.chain(times.into_iter().filter_map(|(name, at)| Some((name, moments.at(at?))))).collect()
}

fn state_facts(row: &Row, moments: &Moments) -> Facts {
    let (state, last) = (&row.state, &row.state.last);
    let mut facts: Facts = Vec::new();
    if let Some(error) = &last.error {
        facts.push(("error", error.clone()));
    }
    if let Some(failing) = &state.failing {
        facts.push(("failing since", format!("{}, {}", moments.describe(failing.since), failing.code)));
    }
    match row.standing {
        Standing::Parked => {
            let session = quoted(&row.key.session_id);
            facts.push(("next", format!("quiz-etl dlq list --session {session}")));
        }
        Standing::Behind => {
            facts.push(("next", format!("quiz-etl sync {}, if it persists", quoted(&row.key.session_id))));
        }
        Standing::Failed => facts.push(("next", "SQS delivers its messages again".to_owned())),
        Standing::Running | Standing::Waiting | Standing::Synced | Standing::Unknown => {}
    }
    facts.push(("requested through", moments.describe(state.requested_through)));
    facts.push(("synced through", moments.describe(state.synced_through)));
    if let Some(result) = last.result {
        let took = Duration::from_millis(last.duration_ms);
        let took = match result {
            RunResult::Finished | RunResult::Paused => format!(", took {}", seconds(took)),
            // the duration belongs to the last finished run
            RunResult::Failed | RunResult::Parked => String::new(),
        };
        facts.push(("last run", format!("{} {}{took}", result.name(), moments.describe(last.finished_at))));
    }
    if last.read_started_at > 0 {
        let (participants, rows) =
            (counted(last.participants, "participant"), counted(last.rows_written, "row"));
        let read = moments.describe(last.read_started_at);
        facts.push(("last written", format!("{participants}, {rows}, read {read}")));
    }
    if state.progress.is_some() {
        facts.push(("partly written", "a run stopped early; the next run continues".to_owned()));
    }
    if let Some(lease) = &state.lease {
        facts.push(("lease", format!("{}, until {}", lease.owner, moments.describe(lease.until))));
    }
    let crashed_runs = state.crashed_runs(moments.now.as_millisecond());
    if crashed_runs > 0 {
        let crashed = counted(u64::from(crashed_runs), "run");
        facts.push((
            "crashed",
            format!("{crashed} in a row: the function was killed, or ran out of memory or time"),
        ));
    }
    if let Some(follow_up) = &state.follow_up {
        let depth = match state.follow_up_depth {
            0 | 1 => String::new(),
            depth => format!(", {} in a row", counted(u64::from(depth), "follow-up")),
        };
        facts.push(("follow-up due", format!("{}{depth}", moments.describe(follow_up.due))));
    }
    if state.joined > 0 {
        facts.push(("joined since", counted(state.joined, "message")));
    }
    if let Some(newest) = state.newest_completion {
        facts.push(("newest completion", moments.describe(newest)));
    }
    facts.push(("generation", format!("{}, revision {}", state.generation, count(state.revision))));
    facts
}
