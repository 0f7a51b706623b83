use async_trait::async_trait;

use crate::notice::Notice;

/// Where notices are sent for people to read. A sync neither waits for a reader nor fails for one: what cannot
/// be sent soon is logged, and given up.
#[async_trait]
pub trait Notices: Send + Sync {
    async fn send(&self, notices: Vec<Notice>);
}
