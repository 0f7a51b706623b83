//! Classifies refusals of Discord by the code in their JSON, which is more exact than the HTTP status.
//!
//! Codes: <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>. Cloudflare and proxies answer in
//! Discord's place with other codes (40333) or with a page. Such an answer does not mean that the webhook or the token
//! is gone.

use serde_json::{Map, Value};

use crate::error::DiscordError;

/// Unknown channel, guild or webhook; unauthorized; no access, no permission; invalid tokens of bot and webhook.
const DEAD: [u64; 9] = [10_003, 10_004, 10_015, 40_001, 50_001, 50_013, 50_014, 50_025, 50_027];
const UNKNOWN_MESSAGE: u64 = 10_008;
/// A bot's wrong token has no code, only this text.
const WRONG_TOKEN: &str = "401: Unauthorized";
/// How many wrong fields of a refused message the error names.
const FIELDS: usize = 3;

/// The error for an answer without success. `body` is its JSON, if it has one.
pub(crate) fn refusal(status: u16, body: Option<&Value>) -> DiscordError {
    let code = body.and_then(|body| body.get("code")?.as_u64()).unwrap_or_default();
    let message = body.and_then(|body| body.get("message")?.as_str());
    let said = message.unwrap_or("a page that is not Discord's").to_owned();
    let is_dead = DEAD.contains(&code) || (status == 401 && code == 0 && said == WRONG_TOKEN);
    match status {
        408 | 500.. => DiscordError::Failed { status, said },
        _ if code == UNKNOWN_MESSAGE => DiscordError::UnknownMessage,
        _ if is_dead => DiscordError::Dead { status, code, said },
        401 | 403 | 404 => DiscordError::Blocked { status, said },
        _ if message.is_none() => DiscordError::Blocked { status, said },
        _ => DiscordError::Refused { status, said: with_fields(said, code, body) },
    }
}

fn with_fields(said: String, code: u64, body: Option<&Value>) -> String {
    let mut fields = Vec::new();
    if let Some(Value::Object(errors)) = body.and_then(|body| body.get("errors")) {
        collect(errors, "", &mut fields);
    }
    let more = fields.len().saturating_sub(FIELDS);
    fields.truncate(FIELDS);
    let more = if more > 0 { format!("; {more} more") } else { String::new() };
    match (code, fields.is_empty()) {
        (0, true) => said,
        (_, true) => format!("{said} (code {code})"),
        _ => format!("{said} (code {code}): {}{more}", fields.join("; ")),
    }
}

/// Collects each `_errors` of the tree with its path: `embeds[0].title: This field is required`.
///
/// serde_json limits the depth of the tree.
fn collect(node: &Map<String, Value>, path: &str, fields: &mut Vec<String>) {
    for (key, value) in node {
        match value {
            Value::Array(errors) if key == "_errors" => {
                let messages = errors.iter().filter_map(|error| error.get("message")?.as_str());
                let place = if path.is_empty() { "body" } else { path };
                fields.extend(messages.map(|message| format!("{place}: {message}")));
            }
            Value::Object(child) => {
                let is_index = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
                let place = match (is_index, path.is_empty()) {
                    (true, _) => format!("{path}[{key}]"),
                    (false, true) => key.clone(),
                    (false, false) => format!("{path}.{key}"),
                };
                collect(child, &place, fields);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::refusal;

    fn classify(status: u16, body: &Value) -> (&'static str, bool, String) {
        let error = refusal(status, Some(body));
        (error.code(), error.is_retryable(), error.to_string())
    }

    #[test]
    fn only_codes_of_discord_are_dead() {
        let said = |code: u64, message: &str| json!({"code": code, "message": message});
        for (status, code) in [(404, 10_003), (404, 10_015), (403, 50_001), (403, 50_013), (401, 50_027)] {
            let (name, is_retryable, _) = classify(status, &said(code, "no"));
            assert_eq!((name, is_retryable), ("discord_token_dead", false), "{code}");
        }
        let (name, ..) = classify(401, &said(0, "401: Unauthorized"));
        assert_eq!(name, "discord_token_dead", "a bot's wrong token");
        for (status, code) in [(403, 40_333), (401, 0), (403, 0), (404, 0)] {
            let (name, is_retryable, _) = classify(status, &said(code, "internal network error"));
            assert_eq!((name, is_retryable), ("discord_unreachable", true), "{status} {code}");
        }
        for status in [400, 401, 403, 404, 413] {
            assert!(refusal(status, None).is_retryable(), "{status} with a page");
        }
    }

    #[test]
    fn refused_message_names_its_fields() {
        let required =
            json!({"_errors": [{"code": "BASE_TYPE_REQUIRED", "message": "This field is required"}]});
        let errors = json!({"embeds": {"0": {"fields": {"1": {"value": required}}}}, "content": required});
        let body = json!({"code": 50_035, "message": "Invalid Form Body", "errors": errors});
        let (name, is_retryable, text) = classify(400, &body);
        assert_eq!((name, is_retryable), ("discord_refused", false));
        assert_eq!(
            text,
            "Discord refuses the message (400): Invalid Form Body (code 50035): content: This field is required; \
             embeds[0].fields[1].value: This field is required"
        );
        let many: serde_json::Map<String, Value> =
            (0..9).map(|field| (format!("f{field}"), required.clone())).collect();
        let (.., text) = classify(400, &json!({"code": 50_035, "message": "Invalid", "errors": many}));
        assert!(text.ends_with("f2: This field is required; 6 more"), "{text}");
    }
}
