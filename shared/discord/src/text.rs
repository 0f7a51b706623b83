//! Texts of a card: escaped, shortened and counted as Discord does.

use std::time::Duration;

use jiff::Timestamp;

/// The first characters of Discord's markdown, mentions and links.
const SPECIAL: &str = "\\*_~`|>#[]()<@-:";

/// The length in UTF-16 units: at least the characters that Discord counts.
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Escapes a text from outside: no formatting, no link, one line. A text over `limit` is cut and ends with `…`.
pub fn plain(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    let mut used = 0;
    for char in text.trim().chars().filter_map(visible) {
        let escaped = SPECIAL.contains(char);
        let more = char.len_utf16() + usize::from(escaped);
        if used + more >= limit {
            shown.push('…');
            return shown;
        }
        if escaped {
            shown.push('\\');
        }
        shown.push(char);
        used += more;
    }
    shown
}

/// The character to show: a space for a line break, `None` for a character that hides or reorders text.
///
/// The joiners U+200C and U+200D stay, as the scripts of India need them.
pub fn visible(char: char) -> Option<char> {
    match char {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}' => None,
        char if char.is_control() => None,
        char => Some(char),
    }
}

/// Whether the text has a visible character, not only spaces, joiners and fillers.
pub fn shows_something(text: &str) -> bool {
    let is_blank = |char: char| {
        let is_filler = matches!(char, '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}');
        let is_joiner = matches!(char, '\u{34f}' | '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
        char.is_whitespace() || is_filler || is_joiner || visible(char).is_none()
    };
    !text.chars().all(is_blank)
}

/// Cuts our own text to `limit`; a cut text ends with `…`.
pub fn shorten(text: &str, limit: usize) -> String {
    if length(text) <= limit {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 1;
    for char in text.chars() {
        used += char.len_utf16();
        if used > limit {
            break;
        }
        shown.push(char);
    }
    shown.push('…');
    shown
}

/// A time that Discord shows to each reader as `3 minutes ago`, in the reader's language.
pub fn ago(at: Timestamp) -> String {
    format!("<t:{}:R>", at.as_second())
}

/// A duration: `740 ms`, `12 s`, `2 min 5 s`, `3 h 10 min`.
pub fn lasting(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A number with separators: `1,525`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number with its noun: `1 participant`, `2 participants`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// Marks with at most two decimals, without trailing zeros.
pub fn marks(marks: f64) -> String {
    let text = format!("{marks:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{count, lasting, length, marks, plain, shorten, shows_something};

    #[test]
    fn names_cannot_ping_format_or_link() {
        assert_eq!(plain("@everyone `x` **b**\n<@1>", 99), "\\@everyone \\`x\\` \\*\\*b\\*\\* \\<\\@1\\>");
        assert_eq!(plain("see https://x.y [a](b)", 99), "see https\\://x.y \\[a\\]\\(b\\)");
        assert_eq!(plain("a\u{202e}b\u{200b}c", 99), "abc");
    }

    #[test]
    fn invisible_names_show_nothing() {
        for name in ["", " ", "\u{200b}\u{200d}", "\u{3164}", "\u{feff}\u{2800} ", "\u{e0041}"] {
            assert!(!shows_something(name), "{name:?}");
        }
        // A name in Hindi keeps the joiner that its letters need.
        assert!(shows_something("\u{200b}क्\u{200d}ष"));
        assert_eq!(plain("क्\u{200d}ष", 99), "क्\u{200d}ष");
    }

    #[test]
    fn numbers_and_durations_are_short() {
        assert_eq!(
            (count(1_525), count(999), count(1_000_000)),
            ("1,525".into(), "999".into(), "1,000,000".into())
        );
        assert_eq!((marks(33.0), marks(-1.25), marks(0.1)), ("33".into(), "-1.25".into(), "0.1".into()));
        let shown = [740, 12_000, 125_000, 11_400_000].map(|ms| lasting(Duration::from_millis(ms)));
        assert_eq!(shown, ["740 ms", "12 s", "2 min 5 s", "3 h 10 min"]);
    }

    proptest! {
        #[test]
        fn texts_keep_their_limit(text in any::<String>(), limit in 2..60_usize) {
            prop_assert!(length(&plain(&text, limit)) <= limit);
            prop_assert!(length(&shorten(&text, limit)) <= limit);
        }

        #[test]
        fn escapes_are_never_cut_in_half(text in "[`*@a]{0,40}", limit in 2..40_usize) {
            let shown = plain(&text, limit);
            let escapes = shown.chars().filter(|char| *char == '\\').count();
            let special = shown.chars().filter(|char| "`*@".contains(*char)).count();
            prop_assert_eq!(escapes, special);
        }
    }
}
