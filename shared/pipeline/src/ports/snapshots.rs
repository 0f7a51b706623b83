use async_trait::async_trait;

use super::StoreError;

/// A store of snapshots, one of each quiz's scored attempts. A lost snapshot costs only time: all attempts are read again.
#[async_trait]
pub trait SnapshotStore: Send + Sync {
    /// The bytes that were saved last; `None` if there are none, or if they are damaged.
    async fn load(&self, quiz_id: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Replaces the stored snapshot. If two saves run at the same time, one wins, or the snapshot is lost.
    async fn save(&self, quiz_id: &str, snapshot: Vec<u8>) -> Result<(), StoreError>;
}
