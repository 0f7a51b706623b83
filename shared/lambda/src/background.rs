use std::fmt::Display;

use tracing::Instrument;

/// Starts work in the background that the first event will need, such as opening a connection. A failure is only logged:
/// the first user of the connection tries again and reports its error.
pub fn begin<T, E: Display>(what: &'static str, work: impl Future<Output = Result<T, E>> + Send + 'static) {
    let work = async move {
        if let Err(error) = work.await {
            tracing::info!(what, error = %error, "not ready yet, retried at first use");
        }
    };
    tokio::spawn(work.in_current_span());
}
