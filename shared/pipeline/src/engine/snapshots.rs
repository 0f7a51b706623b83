use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quiz_domain::{Snapshot, SnapshotKey, SnapshotWriter};

use crate::ports::SnapshotStore;

/// How long ago a document was last written that counts as settled: more than the backend's clock can be off, and than
/// an answer can come after its attempt has ended.
const SETTLED: Duration = Duration::from_mins(10);
/// Fewer documents are read in less time than a snapshot takes.
const LEAST: usize = 500;
/// A snapshot is written anew when one in so many attempts was not in the one before.
const READ_ANEW: usize = 20;

/// Scored attempts, kept from one read of a quiz to the next.
#[derive(Clone)]
pub struct Snapshots {
    store: Arc<dyn SnapshotStore>,
    program: String,
    least: usize,
}

impl Snapshots {
    /// `program` tells two versions of the scoring apart, such as the commit that it was built from: what one has scored
    /// the other does not trust.
    #[must_use]
    pub fn new(store: Arc<dyn SnapshotStore>, program: impl Into<String>) -> Self {
        Self { store, program: program.into(), least: LEAST }
    }

    /// For tests with at least so many attempts.
    #[must_use]
    pub fn from(self, least: usize) -> Self {
        Self { least, ..self }
    }

    pub(super) fn key(&self, quiz: &bson::Document, questions: &[bson::Document]) -> Option<SnapshotKey> {
        SnapshotKey::of(&self.program, quiz, questions)
    }

    pub(super) fn pay_for(&self, attempts: usize) -> bool {
        attempts >= self.least
    }

    /// Where it cannot be had, everything is read.
    pub(super) async fn load(&self, quiz_id: &str, key: &SnapshotKey) -> Option<Snapshot> {
        match self.store.load(quiz_id).await {
            Ok(bytes) => Snapshot::open(bytes?, key),
            Err(error) => {
                tracing::warn!(quiz_id, error = %error, "snapshot cannot be loaded, so all attempts are read");
                None
            }
        }
    }

    pub(super) fn writer(key: &SnapshotKey, read_started_at: Timestamp) -> Option<SnapshotWriter> {
        SnapshotWriter::new(key, read_started_at.checked_sub(SETTLED).ok()?)
    }

    /// Saves it where it will spare the next read more than this costs.
    pub(super) async fn save(&self, quiz_id: &str, written: SnapshotWriter) {
        if written.len() < self.least || written.read() * READ_ANEW < written.len() {
            return;
        }
        let attempts = written.len();
        match self.store.save(quiz_id, written.into_bytes()).await {
            Ok(()) => tracing::debug!(quiz_id, attempts, "snapshot saved"),
            Err(error) => {
                tracing::warn!(quiz_id, error = %error, "snapshot cannot be saved, so the next sync reads all attempts");
            }
        }
    }
}
