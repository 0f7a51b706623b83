//! Lists of test sessions: a file of ids, events as JSON or CSV, and the words of a command line.

use std::io::BufRead;

use anyhow::{Context, bail};
use quiz_events::{Entries, Entry, EntryText, Event, EventError, SessionClock, SessionTarget, parse_by};

use crate::backfill::choose::SelectedSession;

/// The CSV column with the session ids.
const COLUMN: &str = "session_id";
/// Bytes of the longest CSV record.
const LONGEST: usize = 1 << 20;

/// A test session of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListedSession {
    Complete(Box<SelectedSession>),
    /// A session id that does not end with a quiz id.
    Id(String),
}

/// Reads a list of test sessions, each with its line number.
///
/// The list holds session ids separated by commas, white space or line ends; events and ids as JSON, on one line, over
/// several lines or in an array; or CSV with a column `session_id`. `clock` reads the times of descriptions.
///
/// # Errors
/// A list that cannot be read, or a wrong line; the error gives its number.
pub(crate) fn read_list(
    input: impl BufRead,
    clock: SessionClock,
) -> anyhow::Result<Vec<(u64, ListedSession)>> {
    let mut entries = Entries::new(input);
    let mut listed = Vec::new();
    let mut is_first = true;
    while let Some(Entry { line, text }) = entries.next_entry()? {
        let place = || format!("line {line}");
        let found = match text {
            EntryText::Json(json) => parse_event(&json, clock).with_context(place)?,
            EntryText::Line(header) => match find_column(&header).filter(|_| is_first) {
                Some(column) => return csv_ids(&mut entries, &header, column),
                None => parse_line(&header, clock).with_context(place)?,
            },
        };
        listed.extend(found.into_iter().map(|test| (line, test)));
        is_first = false;
    }
    Ok(listed)
}

/// Splits a text into ids at commas and white space.
pub(crate) fn ids(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| character == ',' || character.is_whitespace()).filter(|id| !id.is_empty())
}

/// Reads a session id, with the quiz id at its end if it has one.
///
/// # Errors
/// [`EventError`] for a text that cannot be a session id.
pub(crate) fn parse_id(id: &str) -> Result<ListedSession, EventError> {
    match SessionTarget::new(id, None, COLUMN) {
        Ok(target) => Ok(ListedSession::Complete(Box::new(SelectedSession { target, description: None }))),
        Err(EventError::NoQuiz { session_id, .. }) => Ok(ListedSession::Id(session_id)),
        Err(error) => Err(error),
    }
}

fn parse_event(json: &str, clock: SessionClock) -> anyhow::Result<Vec<ListedSession>> {
    match parse_by(clock, json, None) {
        Ok(Event::SessionSync(request)) => {
            let description = request.session.map(|session| *session);
            let test = |target| {
                ListedSession::Complete(Box::new(SelectedSession {
                    target,
                    description: description.clone(),
                }))
            };
            Ok(request.targets.into_iter().map(test).collect())
        }
        Ok(Event::QuizCompleted(_)) => {
            bail!("a quiz.completed event cannot request a sync: give the session id alone")
        }
        Ok(Event::SessionChanged(_)) => {
            bail!("a message with an action names no test session: give the session id alone")
        }
        Err(EventError::NoQuiz { session_id, .. }) => Ok(vec![ListedSession::Id(session_id)]),
        Err(error) => Err(error.into()),
    }
}

/// Reads a line without a JSON object: ids, with or without quotes, or one JSON string.
fn parse_line(line: &str, clock: SessionClock) -> anyhow::Result<Vec<ListedSession>> {
    if line.starts_with('"') && serde_json::from_str::<String>(line).is_ok() {
        return parse_event(line, clock);
    }
    let bare = |word: &str| serde_json::from_str(word).unwrap_or_else(|_| word.to_owned());
    Ok(ids(line).map(|word| parse_id(&bare(word))).collect::<Result<_, _>>()?)
}

/// The position of the id column, if the line is a CSV header with that column.
fn find_column(header: &str) -> Option<usize> {
    record(header).ok()?.iter().position(|name| name.trim() == COLUMN)
}

fn csv_ids<R: BufRead>(
    entries: &mut Entries<R>,
    header: &str,
    column: usize,
) -> anyhow::Result<Vec<(u64, ListedSession)>> {
    let columns = record(header)?.len();
    let mut listed = Vec::new();
    while let Some((line, mut text)) = entries.next_line()? {
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let place = || format!("line {line}");
        // a quoted field may span several lines
        while ends_within_quotes(&text) {
            let next =
                entries.next_line()?.map(|(_, next)| next).filter(|next| text.len() + next.len() < LONGEST);
            let next = next.with_context(|| format!("line {line}: a quote opens here and does not close"))?;
            text.push('\n');
            text.push_str(&next);
        }
        let record = record(&text).with_context(place)?;
        let id =
            record.get(column).with_context(|| format!("line {line}: the column {COLUMN} is missing"))?;
        listed.push((line, parse_id(id).with_context(place)?));
        if record.iter().skip(columns).any(|field| !field.trim().is_empty()) {
            bail!("line {line}: {} fields, but the header has {columns}", record.len());
        }
    }
    Ok(listed)
}

/// The position of a CSV reader within a record.
enum CsvPosition {
    FieldStart,
    Plain,
    Quoted,
    /// A quote within a quoted field: the end of the field, or the first of a doubled quote.
    Quote,
}

/// Whether the text ends inside a quoted field. A quote inside an unquoted field is an ordinary character.
fn ends_within_quotes(text: &str) -> bool {
    use CsvPosition::{FieldStart, Plain, Quote, Quoted};
    let end = text.chars().fold(FieldStart, |position, character| match (position, character) {
        (Quoted, '"') => Quote,
        (FieldStart | Quote, '"') | (Quoted, _) => Quoted,
        (FieldStart | Plain | Quote, ',') => FieldStart,
        _ => Plain,
    });
    matches!(end, Quoted)
}

fn record(text: &str) -> csv::Result<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record)?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use quiz_events::SessionClock;

    use super::{ListedSession, read_list};

    const A: &str = "Grp_aaaaaaaaaaaaaaaaaaaaaaa1";
    const B: &str = "Grp_aaaaaaaaaaaaaaaaaaaaaaa3";

    /// Reads the ids with their line numbers.
    fn read(text: &str) -> Result<Vec<(u64, String)>, String> {
        let listed =
            read_list(text.as_bytes(), SessionClock::default()).map_err(|error| format!("{error:#}"))?;
        let id = |listed| match listed {
            ListedSession::Complete(test) => test.target.session_id,
            ListedSession::Id(id) => format!("no quiz in {id}"),
        };
        Ok(listed.into_iter().map(|(line, test)| (line, id(test))).collect())
    }

    #[test]
    fn inch_marks_and_spare_fields_lose_no_row() {
        let table =
            format!("name,session_id\nBoard 5\" test,{A}\n\"a, \"\"b\"\"\nc\",{B}\nBoard 6\" test,{A}\n");
        let read = read(&table).unwrap();
        assert_eq!(read, [(2, A.to_owned()), (3, B.to_owned()), (5, A.to_owned())]);
        let error = self::read(&format!("session_id\n{A},{B}\n")).unwrap_err();
        assert!(error.contains("line 2: 2 fields, but the header has 1"), "{error}");
    }

    #[test]
    fn ids_are_read_with_any_separator() {
        let on_line = |line: u64| vec![(line, A.to_owned()), (line, B.to_owned())];
        for text in [
            format!("{A},{B}"),
            format!("{A} {B}\r\n"),
            format!("\u{feff}{A}, {B},"),
            format!("\"{A}\",\"{B}\""),
            format!("[\"{A}\",\"{B}\"]"),
            format!("[{{\"session_id\": \"{A}\"}}, \"{B}\"]"),
            format!("{{\"session_ids\": [\"{A}\", \"{B}\"]}}"),
        ] {
            assert_eq!(read(&text), Ok(on_line(1)), "{text}");
        }
        let lines = format!("# ids\n{A}\n\n{{\n  \"session_id\": \"{B}\"\n}}\nweekly-1\n");
        let expected = [(2, A), (4, B), (7, "no quiz in weekly-1")].map(|(line, id)| (line, id.to_owned()));
        assert_eq!(read(&lines), Ok(expected.into()));
    }

    #[test]
    fn csv_column_is_found_by_its_header() {
        let alone = format!("session_id\n{A}\n{B}\n");
        assert_eq!(read(&alone), Ok(vec![(2, A.to_owned()), (3, B.to_owned())]));
        let among = format!(
            "\u{feff}\"name\",\"session_id\",marks\r\n\"Test 1,\r\nin \"\"May\"\"\",{A},7\r\n# none\r\n\r\nTest 2,\"{B}\",\r\n"
        );
        assert_eq!(read(&among), Ok(vec![(2, A.to_owned()), (6, B.to_owned())]));
    }

    #[test]
    fn wrong_line_is_named() {
        let error = |text: &str| read(text).unwrap_err();
        assert_eq!(error(&format!("{A}\nit's")), "line 2: `session_id` \"it's\" has a quote in it: '\\''");
        assert_eq!(
            error(&format!("[\"{A},{B}\"]")),
            format!("line 1: `session_id` \"{A},{B}\" has a comma in it: ','")
        );
        assert_eq!(error("name,session_id\nTest\n"), "line 2: the column session_id is missing");
        assert_eq!(error("session_id\n,x\n"), "line 2: `session_id` is empty");
        assert_eq!(error("session_id\n\"A\nB"), "line 2: a quote opens here and does not close");
        assert_eq!(error("{\"force\": true}"), "line 1: neither `session_id` nor `session_ids` is given");
        assert_eq!(
            error("[7]"),
            "line 1: the message is a number, not a JSON object or the id of a test session"
        );
        let completed = r#"{"type":"quiz.completed","session_id":"Grp_aaaaaaaaaaaaaaaaaaaaaaa1","completed_at":"2024-04-30T18:15:00Z"}"#;
        assert_eq!(
            error(completed),
            "line 1: a quiz.completed event cannot request a sync: give the session id alone"
        );
    }
}
