use serde_json::Value;

use super::DiscordAttachment;
use super::problem::Problem;

const CONTENT: usize = 2000;
const EMBEDS: usize = 10;
/// The limit for all texts of a message's embeds together.
const EMBED_TEXTS: usize = 6000;
const TITLE: usize = 256;
const DESCRIPTION: usize = 4096;
const FIELDS: usize = 25;
const FIELD_NAME: usize = 256;
const FIELD_VALUE: usize = 1024;
const FOOTER: usize = 2048;
const AUTHOR: usize = 256;
const FILES: usize = 10;
const FILE_BYTES: usize = 10 * 1024 * 1024;

/// Other members that make a message non-empty.
const OTHER_CONTENTS: [&str; 3] = ["components", "poll", "sticker_ids"];

/// Checks a complete message against the limits that Discord's schema lacks.
pub fn check(payload: &Value, attachments: &[DiscordAttachment]) -> Vec<Problem> {
    let mut check = Check { problems: Vec::new(), embed_texts: 0, attachments };
    check.message(payload);
    check.problems
}

/// Checks that a message with names from outside pings no one.
pub fn check_mentions(payload: &Value) -> Option<Problem> {
    let parse = payload.pointer("/allowed_mentions/parse").and_then(Value::as_array);
    let empty = parse.is_some_and(Vec::is_empty);
    (!empty).then(|| Problem::new("/allowed_mentions", "is without an empty parse: names could ping"))
}

struct Check<'a> {
    problems: Vec<Problem>,
    embed_texts: usize,
    attachments: &'a [DiscordAttachment],
}

impl Check<'_> {
    fn message(&mut self, payload: &Value) {
        let content = string(payload, "content");
        self.at_most("/content".to_owned(), units(content), CONTENT, "characters");
        let embeds = list(payload, "embeds");
        self.at_most("/embeds".to_owned(), embeds.len(), EMBEDS, "embeds");
        for (index, embed) in embeds.iter().enumerate() {
            self.embed(&format!("/embeds/{index}"), embed);
        }
        self.at_most("/embeds".to_owned(), self.embed_texts, EMBED_TEXTS, "characters in all");
        self.at_most("/attachments".to_owned(), self.attachments.len(), FILES, "files");
        for (index, attachment) in self.attachments.iter().enumerate() {
            self.at_most(format!("/attachments/{index}"), attachment.bytes.len(), FILE_BYTES, "bytes");
        }
        let other = OTHER_CONTENTS.iter().filter_map(|key| payload.get(key)).any(holds_something);
        if content.trim().is_empty() && embeds.is_empty() && self.attachments.is_empty() && !other {
            self.problem(String::new(), "is an empty message");
        }
    }

    fn embed(&mut self, path: &str, embed: &Value) {
        let before = self.embed_texts;
        self.text(format!("{path}/title"), string(embed, "title"), TITLE);
        self.text(format!("{path}/description"), string(embed, "description"), DESCRIPTION);
        self.text(format!("{path}/footer/text"), inner(embed, "/footer/text"), FOOTER);
        self.text(format!("{path}/author/name"), inner(embed, "/author/name"), AUTHOR);
        let fields = list(embed, "fields");
        self.at_most(format!("{path}/fields"), fields.len(), FIELDS, "fields");
        for (index, field) in fields.iter().enumerate() {
            for (key, most) in [("name", FIELD_NAME), ("value", FIELD_VALUE)] {
                let (path, text) = (format!("{path}/fields/{index}/{key}"), string(field, key));
                if text.trim().is_empty() {
                    self.problem(path.clone(), "is empty");
                }
                self.text(path, text, most);
            }
        }
        if self.embed_texts == before && embed.get("image").is_none() && embed.get("thumbnail").is_none() {
            self.problem(path.to_owned(), "is an empty embed");
        }
        for place in
            ["/url", "/image/url", "/thumbnail/url", "/footer/icon_url", "/author/icon_url", "/author/url"]
        {
            self.link(format!("{path}{place}"), inner(embed, place));
        }
    }

    fn text(&mut self, path: String, text: &str, most: usize) {
        self.embed_texts += units(text);
        self.at_most(path, units(text), most, "characters");
    }

    fn link(&mut self, path: String, url: &str) {
        let Some(name) = url.strip_prefix("attachment://") else {
            if !url.is_empty() && !url.starts_with("https://") && !url.starts_with("http://") {
                self.problem(path, "is none of http, https and attachment");
            }
            return;
        };
        if !self.attachments.iter().any(|attachment| attachment.filename == name) {
            self.problem(path, &format!("is {url}, but there is no such file"));
        }
    }

    fn at_most(&mut self, path: String, count: usize, most: usize, unit: &str) {
        if count > most {
            self.problem(path, &format!("has {count} {unit}, more than {most}"));
        }
    }

    fn problem(&mut self, path: String, text: &str) {
        self.problems.push(Problem::new(path, text));
    }
}

fn holds_something(value: &Value) -> bool {
    value.is_object() || value.as_array().is_some_and(|list| !list.is_empty())
}

/// The length in UTF-16 units. Discord does not document its unit; this length is never below the number of Unicode
/// scalar values.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn string<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn inner<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
