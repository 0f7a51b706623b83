//! How long Discord asks to wait: the body of a refusal (429) and the headers of an answer say it.
//! <https://discord.com/developers/docs/topics/rate-limits>

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;

/// How often a refusal without a wait is tried again …
pub(super) const UNTIMED_TRIES: u32 = 2;
/// … each time after this wait.
pub(super) const UNTIMED_WAIT: Duration = Duration::from_secs(1);
/// After those tries the message waits in its queue for so long. Discord bans a client after 10,000 refused requests
/// within 10 minutes.
pub(super) const UNTIMED_REST: Duration = Duration::from_mins(1);

/// The rate limit that a refusal reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limit {
    /// `None` if the refusal has no wait.
    pub wait: Option<Duration>,
    /// Whether the limit is for all requests of this client, not only for this webhook or channel.
    pub is_global: bool,
}

impl Limit {
    /// Reads the wait: the body has milliseconds, the header `Retry-After` only seconds.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Self {
        let refusal: Value = serde_json::from_slice(body).unwrap_or_default();
        let wait = refusal.get("retry_after").and_then(Value::as_f64).and_then(duration);
        let wait = wait.or_else(|| seconds(headers, RETRY_AFTER.as_str()));
        Self {
            wait: wait.or_else(|| seconds(headers, "x-ratelimit-reset-after")),
            is_global: refusal.get("global").and_then(Value::as_bool).unwrap_or_default(),
        }
    }
}

/// The wait before the next request, if this request used up the limit.
pub(super) fn used_up(headers: &HeaderMap) -> Option<Duration> {
    seconds(headers, "x-ratelimit-remaining").filter(Duration::is_zero)?;
    seconds(headers, "x-ratelimit-reset-after")
}

fn seconds(headers: &HeaderMap, name: &str) -> Option<Duration> {
    duration(headers.get(name)?.to_str().ok()?.parse().ok()?)
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.max(0.0)).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

    use super::{Limit, used_up};

    #[test]
    fn body_wins_over_headers() {
        let mut headers = HeaderMap::new();
        let none = Limit { wait: None, is_global: false };
        assert_eq!(Limit::read(&headers, b"<html>"), none);
        assert_eq!(Limit::read(&headers, br#"{"retry_after": "soon"}"#), none);
        headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        assert_eq!(Limit::read(&headers, b"").wait, Some(Duration::from_secs(2)));
        let body = br#"{"message": "You are being rate limited.", "retry_after": 1.337, "global": true}"#;
        let limit = Limit { wait: Some(Duration::from_millis(1_337)), is_global: true };
        assert_eq!(Limit::read(&headers, body), limit);
        assert_eq!(Limit::read(&headers, br#"{"retry_after": -1}"#).wait, Some(Duration::ZERO));
    }

    #[test]
    fn last_request_waits_for_next_window() {
        let mut headers = HeaderMap::new();
        headers.insert("x-ratelimit-reset-after", HeaderValue::from_static("0.25"));
        headers.insert("x-ratelimit-remaining", HeaderValue::from_static("1"));
        assert_eq!(used_up(&headers), None);
        headers.insert("x-ratelimit-remaining", HeaderValue::from_static("0"));
        assert_eq!(used_up(&headers), Some(Duration::from_millis(250)));
    }
}
