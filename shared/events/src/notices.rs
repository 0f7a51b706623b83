use async_trait::async_trait;

use crate::notice::Notice;

/// A topic of notices. A notice that cannot be sent soon is logged and given up: a sync neither waits nor fails for it.
#[async_trait]
pub trait Notices: Send + Sync {
    /// Sends the notices; returns when each of them is sent or given up.
    async fn send(&self, notices: Vec<Notice>);
}
