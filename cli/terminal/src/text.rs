use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use jiff::SignedDuration;
use std::time::Duration;

/// What a table may take; wider ones wrap their cells.
const WIDTH: u16 = 100;

/// Control characters, which a terminal obeys, and characters that change the direction of text.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text of unknown origin, in one line that no terminal obeys.
#[must_use]
pub fn clean(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|it| match it {
            '\n' | '\t' => ' ',
            it if is_hidden(it) => '\u{fffd}',
            it => it,
        })
        .collect();
    text.trim().to_owned()
}

/// The same, as one word of a shell's command line.
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

/// How long ago, or how far ahead, roughly: `12 s`, `5 min`, `3 h`, `40 d`.
#[must_use]
pub fn age(duration: SignedDuration) -> String {
    match duration.unsigned_abs().as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A table whose first `texts` columns are text and whose others are numbers.
#[must_use]
pub fn table(texts: usize, header: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let cells = |row: Vec<String>| {
        row.into_iter().enumerate().map(move |(column, text)| {
            let side = if column < texts { CellAlignment::Left } else { CellAlignment::Right };
            Cell::new(text).set_alignment(side)
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

#[cfg(test)]
mod tests {
    use super::{age, clean, count, counted};
    use jiff::SignedDuration;

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!((&*count(0_u64), &*count(999_u64), &*count(1_234_567_u64)), ("0", "999", "1,234,567"));
        assert_eq!((&*counted(1_usize, "test"), &*counted(2_000_usize, "test")), ("1 test", "2,000 tests"));
        let ages = [0, 119, 120, 7_199, 7_200, 172_800].map(|it| age(SignedDuration::from_secs(-it)));
        assert_eq!(ages, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 d"]);
    }

    #[test]
    fn no_terminal_obeys_a_text() {
        assert_eq!(clean(" a\u{1b}[2J\nb\u{202e} "), "a\u{fffd}[2J b\u{fffd}");
    }
}
