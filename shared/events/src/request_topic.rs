use async_trait::async_trait;
use thiserror::Error;

use crate::event::SyncRequest;

/// Requests that a topic takes in one call. A caller that publishes this many at a time loses at most these to a failure.
pub const REQUESTS_AT_ONCE: usize = 10;

/// Why a message was not published.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PublishError {
    /// The topic or the network failed, or throttles; a retry may help. The message may have been published all the same.
    #[error("topic {topic} did not accept the message: {cause}")]
    Unavailable { topic: String, cause: String },
    /// The topic is missing, access is denied, or the message is too large; a retry cannot help until that is fixed.
    #[error("topic {topic} refuses the message: {cause}")]
    Refused { topic: String, cause: String },
}

/// The topic of events, for senders of requests.
#[async_trait]
pub trait RequestTopic: Send + Sync {
    /// Publishes the requests; returns a result for each, in their order: [`PublishError`] for a request that may not be
    /// published. Any number of requests is allowed.
    async fn publish(&self, requests: &[SyncRequest]) -> Vec<Result<(), PublishError>>;
}
