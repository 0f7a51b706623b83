use std::fmt::Display;

use tracing::Instrument;

/// Begins what the first event will need, while it is waited for. Where that fails, who needs it tries again, and says
/// what failed for it.
pub fn begin<T, E: Display>(what: &'static str, work: impl Future<Output = Result<T, E>> + Send + 'static) {
    let work = async move {
        if let Err(error) = work.await {
            tracing::info!(what, error = %error, "not ready yet, tried again when it is needed");
        }
    };
    tokio::spawn(work.in_current_span());
}
