use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use super::DiscordRules;
use super::reply::Reply;

/// The rate limits of all webhooks and channels.
#[derive(Default)]
pub struct Rate {
    windows: HashMap<String, Window>,
    /// The last 429 that told the global limit.
    global: Option<Told>,
}

struct Window {
    used: u32,
    end: Instant,
    /// The last 429.
    told: Option<Told>,
}

#[derive(Clone, Copy)]
struct Told {
    at: Instant,
    until: Instant,
}

type Headers = Vec<(&'static str, String)>;

impl Rate {
    /// Whether a request came although a 429 had told to wait longer.
    pub fn ignored(&self, bucket: &str, arrived: Instant) -> bool {
        let told = self.windows.get(bucket).and_then(|window| window.told);
        [told, self.global].iter().flatten().any(|told| told.at <= arrived && arrived < told.until)
    }

    /// Counts a request: the headers of its answer, or the 429.
    pub fn take(&mut self, bucket: &str, rules: &mut DiscordRules) -> Result<Headers, Reply> {
        let now = Instant::now();
        if std::mem::take(&mut rules.global_429_once) {
            self.global = Some(Told { at: now, until: now + rules.window });
        }
        if let Some(told) = self.global.filter(|told| now < told.until) {
            let headers = vec![("X-RateLimit-Global", "true".to_owned())];
            return Err(limited(told.until - now, true).with(headers));
        }
        let fresh = || Window { used: 0, end: now + rules.window, told: None };
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
            window.told = Some(Told { at: now, until: window.end });
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
        // whole seconds, as HTTP wants it; the body is more exact
        ("Retry-After", seconds(rest).ceil().to_string()),
        ("X-RateLimit-Scope", scope.to_owned()),
    ])
}

/// To the millisecond, never too few.
fn seconds(duration: Duration) -> f64 {
    let millis = u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    Duration::from_millis(millis).as_secs_f64()
}
