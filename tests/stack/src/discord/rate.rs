use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use super::DiscordRules;
use super::reply::Reply;

/// The rate limits of all webhooks and channels.
#[derive(Default)]
pub struct Rate {
    windows: HashMap<String, Window>,
    /// The last 429 for the global limit.
    global: Option<SentLimit>,
}

struct Window {
    used: u32,
    end: Instant,
    /// The last 429.
    sent: Option<SentLimit>,
}

#[derive(Clone, Copy)]
struct SentLimit {
    at: Instant,
    until: Instant,
}

type Headers = Vec<(&'static str, String)>;

impl Rate {
    /// Whether a request arrived before the end of the wait of an earlier 429.
    pub fn ignored(&self, bucket: &str, arrived: Instant) -> bool {
        let sent = self.windows.get(bucket).and_then(|window| window.sent);
        [sent, self.global].iter().flatten().any(|limit| limit.at <= arrived && arrived < limit.until)
    }

    /// Counts a request. Returns the headers of its answer, or the 429.
    pub fn take(&mut self, bucket: &str, rules: &mut DiscordRules) -> Result<Headers, Reply> {
        let now = Instant::now();
        if std::mem::take(&mut rules.global_429_once) {
            self.global = Some(SentLimit { at: now, until: now + rules.window });
        }
        if let Some(limit) = self.global.filter(|limit| now < limit.until) {
            let headers = vec![("X-RateLimit-Global", "true".to_owned())];
            return Err(limited(limit.until - now, true).with(headers));
        }
        let fresh = || Window { used: 0, end: now + rules.window, sent: None };
        let window = self.windows.entry(bucket.to_owned()).or_insert_with(fresh);
        if now >= window.end {
            *window = fresh();
        }
        let rest = window.end - now;
        let exceeded = window.used >= rules.per_window;
        if !exceeded {
            window.used += 1;
        }
        let reset = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + rest;
        let headers = vec![
            ("X-RateLimit-Limit", rules.per_window.to_string()),
            ("X-RateLimit-Remaining", rules.per_window.saturating_sub(window.used).to_string()),
            ("X-RateLimit-Reset", format!("{:.3}", seconds(reset))),
            ("X-RateLimit-Reset-After", format!("{:.3}", seconds(rest))),
            ("X-RateLimit-Bucket", bucket.to_owned()),
        ];
        if exceeded {
            window.sent = Some(SentLimit { at: now, until: window.end });
            return Err(limited(rest, false).with(headers));
        }
        Ok(headers)
    }
}

fn limited(rest: Duration, global: bool) -> Reply {
    let body = json!({
        "message": "You are being rate limited.", "retry_after": seconds(rest), "global": global,
    });
    let scope = if global { "global" } else { "user" };
    Reply::json(429, &body).with(vec![
        // HTTP has whole seconds; the body is more exact
        ("Retry-After", seconds(rest).ceil().to_string()),
        ("X-RateLimit-Scope", scope.to_owned()),
    ])
}

/// Seconds, rounded up to the millisecond.
fn seconds(duration: Duration) -> f64 {
    let millis = u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    Duration::from_millis(millis).as_secs_f64()
}
