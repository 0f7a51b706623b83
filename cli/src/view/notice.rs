use serde_json::Value;

use crate::ui::Ink;
use crate::ui::clean;

/// A Discord message as Discord shows it, without its picture.
#[must_use]
pub fn notice(payload: &Value, colour: bool) -> String {
    let ink = Ink { colour };
    let embeds = payload["embeds"].as_array().map(Vec::as_slice).unwrap_or_default();
    let shown: Vec<String> = embeds.iter().map(|embed| card(embed, ink)).collect();
    shown.join("\n")
}

fn card(embed: &Value, ink: Ink) -> String {
    let text = |value: &Value| plain(value.as_str().unwrap_or_default());
    let mut lines = vec![ink.strong(&clean(&text(&embed["title"])))];
    lines.extend(text(&embed["description"]).lines().map(|line| ink.quiet(line)));
    let fields = embed["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    for field in fields {
        let value = text(&field["value"]);
        let mut rest = value.lines();
        lines.push(format!(
            "{}: {}",
            ink.strong(&clean(&text(&field["name"]))),
            rest.next().unwrap_or_default()
        ));
        lines.extend(rest.map(|line| format!("  {line}")));
    }
    if let Some(picture) = embed.pointer("/image/url").and_then(Value::as_str) {
        lines.push(ink.quiet(&format!("[picture {}]", clean(picture.trim_start_matches("attachment://")))));
    }
    lines.iter().map(|line| format!("  │ {line}")).collect::<Vec<_>>().join("\n")
}

/// Removes markdown escapes, and replaces relative times with `just now`.
fn plain(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<t:") {
        shown.push_str(before);
        match after.split_once(":R>") {
            Some((_, after)) => {
                shown.push_str("just now");
                rest = after;
            }
            None => rest = after,
        }
    }
    shown.push_str(rest);
    let mut plain = String::new();
    let mut chars = shown.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' => plain.extend(chars.next()),
            '*' if chars.peek() == Some(&'*') => drop(chars.next()),
            char => plain.push(char),
        }
    }
    plain.lines().map(clean).collect::<Vec<_>>().join("\n")
}
