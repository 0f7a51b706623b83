use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A name that no other test uses, on this stack or on one shared with other runs: `prefix`, time, process id and a
/// counter, joined with `-`.
///
/// Legal for queues, topics, tables, functions and databases while the prefix is (letters, digits, `-`, `_`) and has
/// at most 30 characters.
#[must_use]
pub fn unique(prefix: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    format!("{prefix}-{millis:x}-{:x}-{count:x}", std::process::id())
}
