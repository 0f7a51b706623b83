//! Logs: JSON, one object a line, on standard output, where Lambda takes them up.

use tracing_subscriber::EnvFilter;

/// Starts logging. `RUST_LOG` chooses what is logged; without it, `info` and above. A second call does
/// nothing.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let started = tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).try_init();
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}
