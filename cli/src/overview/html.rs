//! Escapes text and formats numbers for the page.

use std::fmt;

use quiz_domain::round2;

/// Text from outside, escaped for an element or a quoted attribute. Control characters and characters that change the
/// direction of text are replaced.
pub(super) struct Text<'a>(pub &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\'' => formatter.write_str("&#39;")?,
                character if crate::ui::is_hidden(character) => formatter.write_str("\u{fffd}")?,
                character => fmt::Write::write_char(formatter, character)?,
            }
        }
        Ok(())
    }
}

/// The text of a question or option without HTML tags and entities, in one line of at most `limit` characters.
pub(crate) fn plain(html: &str, limit: usize) -> String {
    let text = entities(&without_tags(html));
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= limit {
        return line;
    }
    let kept: String = line.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Removes tags. A `<` opens a tag if a letter, `/` or `!` follows and a `>` closes the tag; any other `<` stays.
fn without_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let is_tag = after.starts_with(|next: char| next.is_ascii_alphabetic() || next == '/' || next == '!');
        if let Some((_, behind)) = after.split_once('>').filter(|_| is_tag) {
            text.push(' ');
            rest = behind;
        } else {
            text.push('<');
            rest = after;
        }
    }
    text.push_str(rest);
    text
}

fn entities(text: &str) -> String {
    let names =
        [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    names.iter().fold(text.to_owned(), |text, (name, character)| text.replace(name, character))
}

/// Marks or a percentage: at most two decimals.
pub(super) fn number(value: f64) -> String {
    round2(value).to_string().replace('-', "−")
}

/// Like [`number`]; a dash for `None`.
pub(super) fn or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

/// A count with thousands separators: `1,525`.
pub(super) fn count(value: impl TryInto<u64>) -> String {
    let digits = value.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A horizontal bar filled to `value` of `whole`, with a tick at `tick`.
pub(super) fn bar(value: f64, whole: f64, tick: Option<f64>) -> String {
    let share = |part: f64| if whole > 0.0 { (100.0 * part / whole).clamp(0.0, 100.0) } else { 0.0 };
    let tick = tick.map(|tick| format!("<b style=\"left:{:.1}%\"></b>", share(tick))).unwrap_or_default();
    format!("<div class=\"bar\"><i style=\"width:{:.1}%\"></i>{tick}</div>", share(value))
}

/// One card of the page: `note` and `body` are HTML.
pub(super) fn card(title: &str, note: &str, body: &str) -> String {
    let note = if note.is_empty() { String::new() } else { format!("<p class=\"note\">{note}</p>\n") };
    format!("<section>\n<h2>{title}</h2>\n{note}{body}\n</section>\n")
}

#[cfg(test)]
mod tests {
    use super::{Text, count, number, plain};

    #[test]
    fn text_is_escaped() {
        let text = Text("<b a='1' b=\"2\">&\u{202e}x\u{7}").to_string();
        assert_eq!(text, "&lt;b a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;\u{fffd}x\u{fffd}");
    }

    #[test]
    fn plain_text_has_no_tags_or_entities() {
        assert_eq!(plain("<p>If <b>x</b> &lt; 3,\n then<br/>y?</p>", 80), "If x < 3, then y?");
        assert_eq!(plain("a < b and b > c", 80), "a < b and b > c");
        assert_eq!(plain("<img src=x onerror=alert(1)", 80), "<img src=x onerror=alert(1)");
        assert_eq!(plain("&amp;lt;script&amp;gt;", 80), "&lt;script&gt;");
        assert_eq!(plain("कितने लोग थे", 6), "कितने…");
    }

    #[test]
    fn numbers_are_rounded_and_counts_grouped() {
        assert_eq!([number(33.333_333), number(64.0), number(-1.5)], ["33.33", "64", "−1.5"]);
        assert_eq!([count(7_u32), count(1525_u32), count(1_234_567_usize)], ["7", "1,525", "1,234,567"]);
    }
}
