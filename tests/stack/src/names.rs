use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A unique name, also on a stack that several runs share: `prefix`, time, process id and a counter, joined with `-`.
///
/// The name is valid for queues, topics, tables, functions and databases if the prefix has at most 30 characters of
/// letters, digits, `-` and `_`.
#[must_use]
pub fn unique(prefix: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    format!("{prefix}-{millis:x}-{:x}-{count:x}", std::process::id())
}
