//! Formats numbers, ages, ids and tables, and cleans text from outside.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use jiff::SignedDuration;
use std::fmt::Write;
use std::time::Duration;

use crate::ui::Ink;

/// The width of a table in columns; wider tables wrap their cells.
const WIDTH: u16 = 100;
/// The most characters of an id in the output.
const LONGEST_ID: usize = 60;
/// The most characters of other text from outside. A table takes minutes to wrap a cell of a megabyte.
const LONGEST_EXCERPT: usize = 1_000;

/// Whether the character controls a terminal or changes the direction of text.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text from outside in one line, without control characters.
#[must_use]
pub fn clean(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|character| match character {
            '\n' | '\t' => ' ',
            character if is_hidden(character) => '\u{fffd}',
            character => character,
        })
        .collect();
    text.trim().to_owned()
}

/// Like [`clean`], cut after 60 characters: for an id in a line or a cell.
#[must_use]
pub fn short(id: &str) -> String {
    cut(&clean(id), LONGEST_ID)
}

/// Like [`clean`], cut after 1,000 characters: for an example or a cell.
#[must_use]
pub fn excerpt(text: &str) -> String {
    cut(&clean(text), LONGEST_EXCERPT)
}

/// Lines without control characters, except for line ends, tabs and, with `colour`, the codes of
/// [`Ink`](crate::ui::Ink).
#[must_use]
pub fn printable(text: &str, colour: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let (mut rest, mut is_painted) = (text, false);
    while let Some(character) = rest.chars().next() {
        let code =
            Ink::CODES.into_iter().find(|code| colour && character == '\u{1b}' && rest.starts_with(code));
        if let Some(code) = code {
            shown.push_str(code);
            is_painted = code != Ink::END;
        } else if rest.starts_with("\r\n") {
            // the line feed comes next
        } else if is_hidden(character) && !matches!(character, '\n' | '\t') {
            shown.push('\u{fffd}');
        } else {
            shown.push(character);
        }
        rest = rest.get(code.map_or(character.len_utf8(), str::len)..).unwrap_or_default();
    }
    if is_painted {
        shown.push_str(Ink::END);
    }
    shown
}

/// The same JSON value with escapes in place of control characters.
#[must_use]
pub(crate) fn printable_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hidden(character) {
            // such characters occur only inside strings; writing to a String does not fail
            let _ = write!(shown, "\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The text, cut after the `longest` characters.
#[must_use]
pub fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Like [`clean`], quoted as one word of a shell command line.
#[must_use]
pub fn quoted(word: &str) -> String {
    let word = clean(word);
    let quoted = shlex::try_quote(&word).map(std::borrow::Cow::into_owned);
    quoted.unwrap_or(word)
}

/// A number with a comma at each thousand.
#[must_use]
pub fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1 test`, `2,000 tests`.
#[must_use]
pub fn counted(number: impl TryInto<u64>, what: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(number))
}

/// `850 ms`, `12.3 s`.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// A duration in its largest fitting unit: `12 s`, `5 min`, `3 h`, `40 d`. The sign is ignored.
#[must_use]
pub fn age(duration: SignedDuration) -> String {
    match duration.unsigned_abs().as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A table: the first `texts` columns are text, the others are numbers. Cells are cleaned and cut like [`excerpt`].
#[must_use]
pub fn table(texts: usize, header: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let cells = |row: Vec<String>| {
        row.into_iter().enumerate().map(move |(column, text)| {
            let side = if column < texts { CellAlignment::Left } else { CellAlignment::Right };
            Cell::new(excerpt(&text)).set_alignment(side)
        })
    };
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(cells(header.to_vec()));
    table.style_mut().row_separator = comfy_table::LineStyle::none();
    for row in rows {
        table.add_row(cells(row));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// `3 participants, 2 ranked`; a form has no ranks: `2 responses`.
#[must_use]
pub fn cohort(participants: usize, ranked: u32, is_form: bool) -> String {
    if is_form {
        return counted(participants, "response");
    }
    format!("{}, {} ranked", counted(participants, "participant"), count(ranked))
}

#[cfg(test)]
mod tests {
    use super::{age, clean, count, counted, printable, printable_json, short, table};
    use crate::ui::Ink;
    use jiff::SignedDuration;

    #[test]
    fn numbers_and_ages_are_short() {
        assert_eq!((&*count(0_u64), &*count(999_u64), &*count(1_234_567_u64)), ("0", "999", "1,234,567"));
        assert_eq!((&*counted(1_usize, "test"), &*counted(2_000_usize, "test")), ("1 test", "2,000 tests"));
        let ages =
            [0, 119, 120, 7_199, 7_200, 172_800].map(|seconds| age(SignedDuration::from_secs(-seconds)));
        assert_eq!(ages, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 d"]);
    }

    #[test]
    fn clean_replaces_control_characters() {
        assert_eq!(clean(" a\u{1b}[2J\nb\u{202e} "), "a\u{fffd}[2J b\u{fffd}");
    }

    #[test]
    fn printed_lines_keep_only_our_colours() {
        let bad = Ink { colour: true }.bad("a");
        let evil = "\u{1b}[2J\u{1b}]0;x\u{7}\r\u{9b}1m\u{202e}";
        let replaced = "\u{fffd}[2J\u{fffd}]0;x\u{fffd}\u{fffd}\u{fffd}1m\u{fffd}";
        assert_eq!(printable(&format!("{bad}\r\n\t{evil}"), true), format!("{bad}\n\t{replaced}"));
        assert_eq!(printable(&bad, false), "\u{fffd}[31ma\u{fffd}[0m");
        // a colour that is not ours ends with its text
        assert_eq!(printable("\u{1b}[31mred", true), "\u{1b}[31mred\u{1b}[0m");
    }

    #[test]
    fn printed_json_is_the_same_value() {
        let value = serde_json::json!({"a\u{9b}": "\u{202e}b\u{7f}\n\u{1b}", "c": "रवि"});
        let shown = printable_json(&value.to_string());
        assert!(!shown.chars().any(super::is_hidden) && shown.contains("रवि"), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn long_ids_and_cells_are_cut() {
        assert_eq!(short(&"é".repeat(61)), format!("{}…", "é".repeat(60)));
        assert_eq!(short(&"é".repeat(60)), "é".repeat(60));
        let began = std::time::Instant::now();
        let rows = [vec!["x".repeat(1 << 20), "a\u{1b}\rb".to_owned()]];
        let shown = table(2, &["id", "name"].map(str::to_owned), rows);
        assert!(shown.contains('…') && shown.contains("a\u{fffd}\u{fffd}b"), "{shown}");
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    }
}
