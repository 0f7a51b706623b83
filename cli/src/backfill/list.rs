//! Lists of tests, as people write them: a file of ids, events, JSON or CSV, and the words of a command line.

use std::io::BufRead;

use anyhow::{Context, bail};
use quiz_events::{Entries, Entry, EntryText, Event, EventError, SessionClock, SessionTarget, parse_by};

use crate::backfill::choose::Chosen;

/// The CSV column that is read.
const COLUMN: &str = "session_id";
/// Bytes of the longest CSV record.
const LONGEST: usize = 1 << 20;

/// A test of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    Session(Box<Chosen>),
    /// A session id that does not name its quiz.
    Id(String),
}

/// Reads a list: session ids with commas, white space or line ends between them; events and ids as JSON, each on a
/// line, over several lines or in an array; or a CSV file whose header names the column `session_id`. Each test comes
/// with its line. The times of descriptions are by the clock.
///
/// # Errors
/// Where the list cannot be read or has a wrong line, which the error names.
pub(crate) fn read_list(input: impl BufRead, clock: SessionClock) -> anyhow::Result<Vec<(u64, Listed)>> {
    let mut entries = Entries::new(input);
    let mut listed = Vec::new();
    let mut is_first = true;
    while let Some(Entry { line, text }) = entries.next_entry()? {
        let place = || format!("line {line}");
        let found = match text {
            EntryText::Json(json) => of_event(&json, clock).with_context(place)?,
            EntryText::Line(header) => match column_of(&header).filter(|_| is_first) {
                Some(column) => return csv_ids(&mut entries, &header, column),
                None => of_line(&header, clock).with_context(place)?,
            },
        };
        listed.extend(found.into_iter().map(|test| (line, test)));
        is_first = false;
    }
    Ok(listed)
}

/// The ids of a text with commas or white space between them.
pub(crate) fn ids(text: &str) -> impl Iterator<Item = &str> {
    text.split(|it: char| it == ',' || it.is_whitespace()).filter(|id| !id.is_empty())
}

/// The test of an id.
///
/// # Errors
/// Where it can be no session id.
pub(crate) fn of_id(id: &str) -> Result<Listed, EventError> {
    match SessionTarget::new(id, None, COLUMN) {
        Ok(target) => Ok(Listed::Session(Box::new(Chosen { target, description: None }))),
        Err(EventError::NoQuiz { session_id, .. }) => Ok(Listed::Id(session_id)),
        Err(error) => Err(error),
    }
}

fn of_event(json: &str, clock: SessionClock) -> anyhow::Result<Vec<Listed>> {
    match parse_by(clock, json, None) {
        Ok(Event::SessionSync(request)) => {
            let description = request.session.map(|session| *session);
            let test =
                |target| Listed::Session(Box::new(Chosen { target, description: description.clone() }));
            Ok(request.targets.into_iter().map(test).collect())
        }
        Ok(Event::QuizCompleted(_)) => bail!("it is a quiz.completed event: name the session alone"),
        Err(EventError::NoQuiz { session_id, .. }) => Ok(vec![Listed::Id(session_id)]),
        Err(error) => Err(error.into()),
    }
}

/// A line that is no object: ids, each of them perhaps in quotes, or one JSON text.
fn of_line(line: &str, clock: SessionClock) -> anyhow::Result<Vec<Listed>> {
    if line.starts_with('"') && serde_json::from_str::<String>(line).is_ok() {
        return of_event(line, clock);
    }
    let bare = |word: &str| serde_json::from_str(word).unwrap_or_else(|_| word.to_owned());
    Ok(ids(line).map(|word| of_id(&bare(word))).collect::<Result<_, _>>()?)
}

/// The number of the column with the ids, where the line is a CSV header that has one.
fn column_of(header: &str) -> Option<usize> {
    record(header).ok()?.iter().position(|name| name.trim() == COLUMN)
}

fn csv_ids<R: BufRead>(
    entries: &mut Entries<R>,
    header: &str,
    column: usize,
) -> anyhow::Result<Vec<(u64, Listed)>> {
    let columns = record(header)?.len();
    let mut listed = Vec::new();
    while let Some((line, mut text)) = entries.next_line()? {
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let place = || format!("line {line}");
        // a field in quotes goes on over the line's end
        while ends_within_quotes(&text) {
            let next =
                entries.next_line()?.map(|(_, next)| next).filter(|it| text.len() + it.len() < LONGEST);
            let next = next.with_context(|| format!("line {line}: a quote that begins here does not end"))?;
            text.push('\n');
            text.push_str(&next);
        }
        let record = record(&text).with_context(place)?;
        let id =
            record.get(column).with_context(|| format!("line {line}: the column {COLUMN} is missing"))?;
        listed.push((line, of_id(id).with_context(place)?));
        if record.iter().skip(columns).any(|field| !field.trim().is_empty()) {
            bail!("line {line}: it has {} fields, and the header has {columns}", record.len());
        }
    }
    Ok(listed)
}

/// Where a CSV reader is within a record.
enum CsvPlace {
    FieldStart,
    Plain,
    Quoted,
    /// A quote within a quoted field: its end, or the first of two.
    Quote,
}

/// Whether a field that begins with a quote goes on after the text. A quote inside another field is a character like any.
fn ends_within_quotes(text: &str) -> bool {
    use CsvPlace::{FieldStart, Plain, Quote, Quoted};
    let end = text.chars().fold(FieldStart, |place, character| match (place, character) {
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

    use super::{Listed, read_list};

    const A: &str = "Grp_aaaaaaaaaaaaaaaaaaaaaaa1";
    const B: &str = "Grp_aaaaaaaaaaaaaaaaaaaaaaa3";

    /// The ids, each with its line.
    fn read(text: &str) -> Result<Vec<(u64, String)>, String> {
        let listed =
            read_list(text.as_bytes(), SessionClock::default()).map_err(|error| format!("{error:#}"))?;
        let id = |listed| match listed {
            Listed::Session(test) => test.target.session_id,
            Listed::Id(id) => format!("no quiz in {id}"),
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
        assert!(error.contains("line 2: it has 2 fields, and the header has 1"), "{error}");
    }

    #[test]
    fn ids_are_read_however_they_are_separated() {
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
        assert_eq!(error("session_id\n\"A\nB"), "line 2: a quote that begins here does not end");
        assert_eq!(error("{\"force\": true}"), "line 1: neither `session_id` nor `session_ids` is given");
        assert_eq!(
            error("[7]"),
            "line 1: the message is a number, not a JSON object or the id of a test session"
        );
        let completed = r#"{"type":"quiz.completed","session_id":"Grp_aaaaaaaaaaaaaaaaaaaaaaa1","completed_at":"2024-04-30T18:15:00Z"}"#;
        assert_eq!(error(completed), "line 1: it is a quiz.completed event: name the session alone");
    }
}
