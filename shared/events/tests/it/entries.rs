//! Files of events and ids.

use std::io::{BufReader, Read};

use proptest::prelude::*;
use quiz_events::{Entries, EntryText};

/// Each entry with its line.
fn read(bytes: &[u8]) -> Result<Vec<(u64, String)>, String> {
    // a small buffer, so that entries go over its end
    let mut entries = Entries::new(BufReader::with_capacity(3, bytes));
    let mut found = Vec::new();
    while let Some(entry) = entries.next_entry().map_err(|error| error.to_string())? {
        let (EntryText::Json(text) | EntryText::Line(text)) = entry.text;
        found.push((entry.line, text));
    }
    Ok(found)
}

fn entries(text: &str) -> Vec<(u64, String)> {
    read(text.as_bytes()).unwrap()
}

fn expected(entries: &[(u64, &str)]) -> Vec<(u64, String)> {
    entries.iter().map(|(line, text)| (*line, (*text).to_owned())).collect()
}

#[test]
fn lines_are_read_as_editors_save_them() {
    let text = "\u{feff}# ids\r\n\r\nA\r\n  {\"a\":1}\r\n   # more\r\n\"B\"\r\nno end";
    assert_eq!(entries(text), expected(&[(3, "A"), (4, "{\"a\":1}"), (6, "\"B\""), (7, "no end")]));
    assert!(entries("").is_empty() && entries("\n \n").is_empty() && entries("[ ]").is_empty());
}

#[test]
fn objects_over_lines_and_arrays_are_read() {
    let object = "{\n  \"a\": \"}{ \\\" ]\",\n  \"b\": [1, {}]\n}";
    assert_eq!(entries(&format!("{object}\n{object}")), expected(&[(1, object), (5, object)]));
    let array = format!("[\n  {object},\n  \"id\", 7\n]\n{{}}");
    assert_eq!(entries(&array), expected(&[(2, object), (6, "\"id\""), (6, "7"), (8, "{}")]));
    assert_eq!(entries(r#"[{"a":1},{"a":2}]"#), expected(&[(1, r#"{"a":1}"#), (1, r#"{"a":2}"#)]));
}

#[test]
fn wrong_entry_is_named_by_its_line() {
    let error = |text: &str| read(text.as_bytes()).unwrap_err();
    assert_eq!(error("{}\n{\"a\" 1}"), "line 2: it is not JSON: expected `:`");
    assert_eq!(error("{}\n{\n  \"a\": 1\n  \"b\": 2\n}"), "line 4: it is not JSON: expected `,` or `}`");
    assert_eq!(error("\n{\"a\": 1"), "line 2: the JSON that begins here does not end");
    assert_eq!(error("{\"a\": \"b}\n{}"), "line 1: it is not JSON: a text does not end on its line");
    assert_eq!(error("[{}\n"), "line 1: the array that begins here does not end");
    assert_eq!(error("[{}\n{}]"), "line 2: a comma or ] is missing after the array's element");
    assert_eq!(error("[[]]"), "line 1: an array within an array; write one array of events or ids");
    assert_eq!(error("[{},]"), "line 1: an element of the array is missing");
    assert_eq!(error("{} A"), "line 1: more text follows the JSON; begin a new line");
    assert_eq!(read(b"{}\nA\xff\n").unwrap_err(), "line 2: it is not UTF-8; save the file as UTF-8");
    assert_eq!(read(b"\xff\xfeA").unwrap_err(), "line 1: it is not UTF-8; save the file as UTF-8");
    assert_eq!(read(b"{\n\"\xff\"}").unwrap_err(), "line 2: it is not UTF-8; save the file as UTF-8");
}

#[test]
fn endless_line_is_an_error() {
    let error = |start: &'static str| {
        let endless = start.as_bytes().chain(std::io::repeat(b'x'));
        let mut entries = Entries::new(BufReader::new(endless));
        entries.next_entry().unwrap();
        entries.next_entry().unwrap_err().to_string()
    };
    assert_eq!(error("A\n"), "line 2: it is longer than 1 MiB");
    let object = "line 3: the JSON that begins here is longer than 1 MiB, or does not end";
    assert_eq!(error("A\n\n{\"a\":\""), object);
    assert_eq!(error("[1,"), "line 1: it is longer than 1 MiB");
}

proptest! {
    #[test]
    fn objects_are_read_however_they_are_laid_out(
        values in prop::collection::vec("[a-z{}\\[\\]\",#\\\\\u{e9} ]{0,12}", 1..6),
        is_pretty: bool,
        is_array: bool,
    ) {
        let objects: Vec<_> = values.iter().map(|value| serde_json::json!({"v": [value], value: 1})).collect();
        let show = |value: &serde_json::Value| {
            if is_pretty { serde_json::to_string_pretty(value).unwrap() } else { value.to_string() }
        };
        let text = if is_array {
            show(&serde_json::Value::Array(objects.clone()))
        } else {
            objects.iter().map(show).collect::<Vec<_>>().join("\r\n")
        };
        let found: Vec<serde_json::Value> =
            entries(&text).iter().map(|(_, text)| serde_json::from_str(text).unwrap()).collect();
        prop_assert_eq!(found, objects);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(prop_oneof![Just(b'{'), Just(b'"'), Just(b'['), Just(b','),
        Just(b']'), Just(b'}'), Just(b'\n'), Just(b'#'), any::<u8>()], 0..60)) {
        let _ = read(&bytes);
    }
}
