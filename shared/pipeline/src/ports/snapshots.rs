use async_trait::async_trait;

use super::StoreError;

/// Where the snapshot of a quiz's scored attempts lies between syncs. What is lost of it is read again, so nothing hangs
/// on it.
#[async_trait]
pub trait SnapshotStore: Send + Sync {
    /// The bytes that were saved last, whole and undamaged; `None` where there are none, or they are not.
    async fn load(&self, quiz_id: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Replaces what is there. Of two at once one wins, or neither.
    async fn save(&self, quiz_id: &str, snapshot: Vec<u8>) -> Result<(), StoreError>;
}
