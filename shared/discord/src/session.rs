//! The card of a test session: a batch's notices of both sinks become one card.

use std::time::Duration;

use quiz_chart::{Bar, Distribution};
use quiz_events::{Notice, NoticeKind, Sink, SyncFailed, SyncFinished};

use crate::card::{Card, Severity};
use crate::next_step::{replay, shell_word};
use crate::post::Picture;
use crate::senders::Senders;
use crate::text::{ago, count, counted, lasting, marks, plain, shows_something};

const NAME: usize = 180;
const ERROR: usize = 600;
const EXAMPLE: usize = 160;
/// How many problems the card lists; it counts the rest.
const PROBLEMS: usize = 8;

/// The notices of one test session in a batch: for each sink the newest.
#[derive(Debug, Default)]
pub struct SessionNotices<'a> {
    pub session_id: &'a str,
    finished: Vec<(&'a Notice, &'a SyncFinished)>,
    failed: Vec<(&'a Notice, &'a SyncFailed)>,
    notices: Vec<String>,
}

/// Groups the batch's notices of syncs by test session, in the order of their first notices.
///
/// A failure of several test sessions belongs to none of them.
pub fn group_by_session(notices: &[Notice]) -> Vec<SessionNotices<'_>> {
    let mut sessions: Vec<SessionNotices<'_>> = Vec::new();
    for notice in notices {
        let session_id = match &notice.kind {
            NoticeKind::SyncFinished(finished) => finished.session_id.as_str(),
            NoticeKind::SyncFailed(failed) if failed.session_ids.len() == 1 => {
                failed.session_ids.first().map_or("", String::as_str)
            }
            _ => continue,
        };
        let known = sessions.iter().position(|session| session.session_id == session_id);
        let index = known.unwrap_or_else(|| {
            sessions.push(SessionNotices { session_id, ..SessionNotices::default() });
            sessions.len() - 1
        });
        if let Some(session) = sessions.get_mut(index) {
            session.add(notice);
        }
    }
    sessions
}

impl<'a> SessionNotices<'a> {
    fn add(&mut self, notice: &'a Notice) {
        self.notices.push(notice.id.clone());
        match &notice.kind {
            NoticeKind::SyncFinished(finished) => {
                self.finished.retain(|(_, known)| known.sink != finished.sink);
                self.finished.push((notice, finished));
                self.failed.retain(|(failure, known)| known.sink != finished.sink || failure.at > notice.at);
            }
            NoticeKind::SyncFailed(failed) => {
                self.failed.retain(|(_, known)| known.sink != failed.sink);
                self.failed.push((notice, failed));
            }
            _ => {}
        }
        self.finished.sort_by_key(|(_, finished)| finished.sink);
        self.failed.sort_by_key(|(_, failed)| failed.sink);
    }

    /// Whether no sync failed and none reports a problem.
    pub fn is_quiet(&self) -> bool {
        self.failed.is_empty() && self.finished.iter().all(|(_, finished)| finished.problems.is_empty())
    }

    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    pub fn senders(&self) -> Senders {
        let finished = self.finished.iter().map(|(notice, _)| *notice);
        Senders::of(finished.chain(self.failed.iter().map(|(notice, _)| *notice)))
    }

    /// The test name to show; the session id if the name has no visible character.
    fn name(&self, limit: usize) -> String {
        let named = self.finished.first().map(|(_, finished)| plain(&finished.test_name, limit));
        named.filter(|name| shows_something(name)).unwrap_or_else(|| plain(self.session_id, limit))
    }

    /// The line of a digest.
    pub fn line(&self) -> String {
        let (participants, noun) = match self.finished.first() {
            Some((_, finished)) if finished.is_form => (finished.participants, "response"),
            Some((_, finished)) => (finished.participants, "participant"),
            None => (0, "participant"),
        };
        let (name, participants) = (self.name(90), counted(participants, noun));
        format!("{} **{name}**: {participants}, {}", Severity::Success.sign(), self.finished_sinks())
    }

    fn finished_sinks(&self) -> String {
        let sinks: Vec<&str> = self.finished.iter().map(|(_, finished)| finished.sink.as_str()).collect();
        sinks.join(" and ")
    }

    /// The full card. `number` makes the file name of its picture unique within a message.
    pub fn card(&self, number: usize) -> Card {
        let severity = if !self.failed.is_empty() {
            Severity::Failure
        } else if self.is_quiet() {
            Severity::Success
        } else {
            Severity::Warning
        };
        let failed: Vec<&str> = self.failed.iter().map(|(_, failed)| failed.sink.as_str()).collect();
        let mut outcomes = Vec::new();
        if !self.finished.is_empty() {
            outcomes.push(format!("{} written", self.finished_sinks()));
        }
        if !failed.is_empty() {
            outcomes.push(format!("{} FAILED", failed.join(" and ")));
        }
        let title = format!("{}: {}", self.name(NAME), outcomes.join(", "));
        let mut fields = Vec::new();
        if let Some((_, finished)) = self.finished.first() {
            fields.push(participants_field(finished));
            fields.extend(figures(finished).map(|figures| ("Marks".to_owned(), figures, true)));
        }
        let written = |(notice, finished): &(&Notice, &SyncFinished)| {
            (capital(finished.sink).to_owned(), written(notice, finished), false)
        };
        fields.extend(self.finished.iter().map(written));
        fields.extend(self.failed.iter().map(|(notice, failed)| failure_field(notice, failed)));
        fields.extend(self.problems());
        Card {
            severity,
            title,
            description: format!("session {}", plain(self.session_id, 300)),
            fields,
            picture: self.picture(number),
            notices: self.notices.clone(),
            senders: self.senders(),
        }
    }

    fn problems(&self) -> Vec<(String, String, bool)> {
        let mut fields: Vec<(String, String, bool)> = Vec::new();
        for problem in self.finished.iter().flat_map(|(_, finished)| &finished.problems) {
            let kind = plain(&problem.kind.replace('_', " "), 60);
            let name = format!("{} × {kind}", count(problem.count));
            if !fields.iter().any(|(known, _, _)| *known == name) {
                let (advice, example) = (plain(&problem.advice, 200), plain(&problem.example, EXAMPLE));
                fields.push((name, format!("{advice}\nfor example: {example}"), false));
            }
        }
        let more = fields.len().saturating_sub(PROBLEMS);
        fields.truncate(PROBLEMS);
        if more > 0 {
            let name = format!("and {}", counted(u64::try_from(more).unwrap_or_default(), "more problem"));
            fields.push((name, "the log of the function lists all".to_owned(), false));
        }
        fields
    }

    fn picture(&self, number: usize) -> Option<Picture> {
        let (_, finished) = self.finished.iter().find(|(_, finished)| !finished.histogram.is_empty())?;
        let bar = |bin: &quiz_events::HistogramBin| Bar {
            from: bin.from,
            to: bin.to,
            participants: u32::try_from(bin.participants).unwrap_or(u32::MAX),
        };
        let distribution = Distribution {
            bars: finished.histogram.iter().map(bar).collect(),
            average: finished.average,
            median: finished.median,
            highest: finished.highest,
        };
        // A card without its picture is better than no card.
        let png = quiz_chart::png(&distribution).ok().flatten()?;
        Some(Picture { file_name: format!("marks-{number}.png"), png })
    }
}

fn participants_field(finished: &SyncFinished) -> (String, String, bool) {
    let all = count(finished.participants);
    if finished.is_form {
        return ("Responses".to_owned(), all, true);
    }
    let participants = match finished.participants.saturating_sub(finished.ranked) {
        0 => all,
        open => format!("{all}, {} not final", count(open)),
    };
    ("Participants".to_owned(), participants, true)
}

fn figures(finished: &SyncFinished) -> Option<String> {
    let highest = finished.highest?;
    let mut figures = vec![format!("highest {}", marks(highest))];
    figures.extend(finished.average.map(|average| format!("average {}", marks(average))));
    figures.extend(finished.median.map(|median| format!("median {}", marks(median))));
    Some(figures.join(" · "))
}

fn written(notice: &Notice, finished: &SyncFinished) -> String {
    let noun = match finished.sink {
        Sink::Reports => "item",
        Sink::Warehouse => "row",
    };
    let mut parts = match (finished.rows_written, finished.unchanged) {
        (written, 0) => vec![counted(written, noun)],
        (0, unchanged) => vec![format!("{} unchanged", counted(unchanged, noun))],
        (written, unchanged) => {
            vec![format!("{} written, {} unchanged", counted(written, noun), count(unchanged))]
        }
    };
    parts.push(format!("in {}", lasting(Duration::from_millis(finished.duration_ms))));
    if let Some(lag) = finished.lag_ms {
        parts.push(format!("{} after the newest completion", lasting(Duration::from_millis(lag))));
    }
    if finished.messages > 1 {
        parts.push(format!("for {}", counted(finished.messages, "message")));
    }
    format!("{} {}", parts.join(", "), ago(notice.at))
}

fn failure_field(notice: &Notice, failed: &SyncFailed) -> (String, String, bool) {
    let (code, error) = (plain(&failed.error_code, 60), plain(&failed.error, ERROR));
    let messages = counted(failed.messages, "message");
    let session_id = failed.session_ids.first().map_or("", String::as_str);
    let step = replay(&failed.error_code, &format!("--session {}", shell_word(session_id, "SESSION")));
    let value = format!("{error}\n{messages} parked ({code}) {}\n{step}", ago(notice.at));
    (format!("{} failed", capital(failed.sink)), value, false)
}

fn capital(sink: Sink) -> &'static str {
    match sink {
        Sink::Reports => "Reports",
        Sink::Warehouse => "Warehouse",
    }
}
