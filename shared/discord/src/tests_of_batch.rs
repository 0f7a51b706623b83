//! What a batch tells of tests: the notices of both sinks of one test become one card.

use std::time::Duration;

use quiz_chart::{Bar, Distribution};
use quiz_events::{Notice, NoticeKind, Sink, SyncFailed, SyncFinished};

use crate::card::{Card, Outcome};
use crate::post::Picture;
use crate::senders::Senders;
use crate::text::{ago, count, counted, lasting, marks, plain, shows_something};

const NAME: usize = 180;
const ERROR: usize = 600;
const EXAMPLE: usize = 160;
/// How many problems are told; the rest are counted.
const PROBLEMS: usize = 8;

/// One test, as the notices of a batch tell it: of each sink the newest.
#[derive(Debug, Default)]
pub struct OfTest<'a> {
    pub session_id: &'a str,
    finished: Vec<(&'a Notice, &'a SyncFinished)>,
    failed: Vec<(&'a Notice, &'a SyncFailed)>,
    notices: Vec<String>,
}

/// The tests of the batch, in the order in which they are first told.
pub fn by_test(notices: &[Notice]) -> Vec<OfTest<'_>> {
    let mut tests: Vec<OfTest<'_>> = Vec::new();
    for notice in notices {
        let session_id = match &notice.kind {
            NoticeKind::SyncFinished(finished) => finished.session_id.as_str(),
            NoticeKind::SyncFailed(failed) if failed.session_ids.len() == 1 => {
                failed.session_ids.first().map_or("", String::as_str)
            }
            _ => continue,
        };
        let index = tests.iter().position(|it| it.session_id == session_id).unwrap_or_else(|| {
            tests.push(OfTest { session_id, ..OfTest::default() });
            tests.len() - 1
        });
        if let Some(test) = tests.get_mut(index) {
            test.add(notice);
        }
    }
    tests
}

impl<'a> OfTest<'a> {
    fn add(&mut self, notice: &'a Notice) {
        self.notices.push(notice.id.clone());
        match &notice.kind {
            NoticeKind::SyncFinished(finished) => {
                self.finished.retain(|(_, known)| known.sink != finished.sink);
                self.finished.push((notice, finished));
                self.failed.retain(|(of, known)| known.sink != finished.sink || of.at > notice.at);
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

    /// Done, and nothing in it asks for a look.
    pub fn is_quiet(&self) -> bool {
        self.failed.is_empty() && self.finished.iter().all(|(_, it)| it.problems.is_empty())
    }

    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    pub fn senders(&self) -> Senders {
        let finished = self.finished.iter().map(|(notice, _)| *notice);
        Senders::of(finished.chain(self.failed.iter().map(|(notice, _)| *notice)))
    }

    /// The test's name as it is shown; its session id where the name shows nothing.
    fn name(&self, limit: usize) -> String {
        let named = self.finished.first().map(|(_, finished)| plain(&finished.test_name, limit));
        named.filter(|name| shows_something(name)).unwrap_or_else(|| plain(self.session_id, limit))
    }

    /// One line, for when there are many.
    pub fn line(&self) -> String {
        let (participants, what) = match self.finished.first() {
            Some((_, finished)) => {
                (finished.participants, if finished.is_form { "response" } else { "taker" })
            }
            None => (0, "taker"),
        };
        let sinks: Vec<&str> = self.finished.iter().map(|(_, it)| it.sink.as_str()).collect();
        let (name, participants) = (self.name(90), counted(participants, what));
        format!("{} **{name}**: {participants}, {}", Outcome::Good.sign(), sinks.join(" and "))
    }

    /// All of it. `number` tells its picture from the message's others.
    pub fn card(&self, number: usize) -> Card {
        let outcome = if !self.failed.is_empty() {
            Outcome::Bad
        } else if self.is_quiet() {
            Outcome::Good
        } else {
            Outcome::Odd
        };
        let done: Vec<&str> = self.finished.iter().map(|(_, it)| it.sink.as_str()).collect();
        let failed: Vec<&str> = self.failed.iter().map(|(_, it)| it.sink.as_str()).collect();
        let mut what = Vec::new();
        if !done.is_empty() {
            what.push(format!("{} written", done.join(" and ")));
        }
        if !failed.is_empty() {
            what.push(format!("{} FAILED", failed.join(" and ")));
        }
        let title = format!("{}: {}", self.name(NAME), what.join(", "));
        let mut fields = Vec::new();
        if let Some((_, finished)) = self.finished.first() {
            fields.push(participants(finished));
            fields.extend(figures(finished).map(|figures| ("Marks".to_owned(), figures, true)));
        }
        fields.extend(
            self.finished
                .iter()
                .map(|(notice, it)| (capital(it.sink).to_owned(), written(notice, it), false)),
        );
        fields.extend(self.failed.iter().map(|(notice, it)| failure(notice, it)));
        fields.extend(self.problems());
        Card {
            outcome,
            title,
            description: format!("session {}", plain(self.session_id, 300)),
            fields,
            picture: self.picture(number),
            notices: self.notices.clone(),
            senders: self.senders(),
        }
    }

    fn problems(&self) -> Vec<(String, String, bool)> {
        let mut told: Vec<(String, String, bool)> = Vec::new();
        for problem in self.finished.iter().flat_map(|(_, it)| &it.problems) {
            let kind = plain(&problem.kind.replace('_', " "), 60);
            let name = format!("{} × {kind}", count(problem.count));
            if !told.iter().any(|(known, _, _)| *known == name) {
                let (advice, example) = (plain(&problem.advice, 200), plain(&problem.example, EXAMPLE));
                told.push((name, format!("{advice}\nfor example: {example}"), false));
            }
        }
        let more = told.len().saturating_sub(PROBLEMS);
        told.truncate(PROBLEMS);
        if more > 0 {
            let what = "the log of the function names them".to_owned();
            told.push((
                format!("and {}", counted(u64::try_from(more).unwrap_or_default(), "more problem")),
                what,
                false,
            ));
        }
        told
    }

    fn picture(&self, number: usize) -> Option<Picture> {
        let (_, finished) = self.finished.iter().find(|(_, it)| !it.histogram.is_empty())?;
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
        // a notice without its picture is better than none
        let png = quiz_chart::png(&distribution).ok().flatten()?;
        Some(Picture { file_name: format!("marks-{number}.png"), png })
    }
}

fn participants(finished: &SyncFinished) -> (String, String, bool) {
    let all = count(finished.participants);
    if finished.is_form {
        return ("Responses".to_owned(), all, true);
    }
    let participants = match finished.participants.saturating_sub(finished.ranked) {
        0 => all,
        open => format!("{all}, of them {} not final", count(open)),
    };
    ("Takers".to_owned(), participants, true)
}

fn figures(finished: &SyncFinished) -> Option<String> {
    let highest = finished.highest?;
    let mut figures = vec![format!("highest {}", marks(highest))];
    figures.extend(finished.average.map(|it| format!("average {}", marks(it))));
    figures.extend(finished.median.map(|it| format!("median {}", marks(it))));
    Some(figures.join(" · "))
}

fn written(notice: &Notice, finished: &SyncFinished) -> String {
    let what = match finished.sink {
        Sink::Reports => "item",
        Sink::Warehouse => "row",
    };
    let mut parts = match (finished.rows_written, finished.unchanged) {
        (written, 0) => vec![counted(written, what)],
        (0, all) => vec![format!("nothing new, {} unchanged", counted(all, what))],
        (written, others) => {
            let all = counted(written.saturating_add(others), what);
            vec![format!("{} of {all}, the rest was unchanged", count(written))]
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

fn failure(notice: &Notice, failed: &SyncFailed) -> (String, String, bool) {
    let (code, error) = (plain(&failed.error_code, 60), plain(&failed.error, ERROR));
    let messages = counted(failed.messages, "message");
    let value = format!(
        "{error}\n{messages} in the dead-letter queue ({code}) {}\nMend the cause, then replay the dead-letter queue.",
        ago(notice.at)
    );
    (format!("{} failed", capital(failed.sink)), value, false)
}

fn capital(sink: Sink) -> &'static str {
    match sink {
        Sink::Reports => "Reports",
        Sink::Warehouse => "Warehouse",
    }
}
