use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quiz_domain::{Snapshot, SnapshotKey, SnapshotWriter};

use crate::ports::SnapshotStore;

/// A document that was last written this long ago counts as settled: longer than the error of the backend's clock, and
/// longer than an answer can arrive after its attempt ended.
const SETTLED: Duration = Duration::from_mins(10);
/// Reading fewer documents than this is faster than using a snapshot.
const LEAST: usize = 500;
/// A snapshot is replaced if at least one in so many attempts was read, and not taken from the old snapshot.
const READ_ANEW: usize = 20;

/// Scored attempts, kept from one sync of a quiz to the next.
#[derive(Clone)]
pub struct Snapshots {
    store: Arc<dyn SnapshotStore>,
    program: String,
    least: usize,
}

impl Snapshots {
    /// `program` names the version of the scoring, such as its commit. A snapshot of another version is not used.
    #[must_use]
    pub fn new(store: Arc<dyn SnapshotStore>, program: impl Into<String>) -> Self {
        Self { store, program: program.into(), least: LEAST }
    }

    /// Uses snapshots for test sessions with at least so many attempts.
    #[must_use]
    pub fn from(self, least: usize) -> Self {
        Self { least, ..self }
    }

    pub(super) fn key(&self, quiz: &bson::Document, questions: &[bson::Document]) -> Option<SnapshotKey> {
        SnapshotKey::of(&self.program, quiz, questions)
    }

    pub(super) fn is_worthwhile(&self, attempts: usize) -> bool {
        attempts >= self.least
    }

    /// Loads the snapshot; `None` if it cannot be used, so that all attempts are read.
    pub(super) async fn load(&self, quiz_id: &str, key: &SnapshotKey) -> Option<Snapshot> {
        match self.store.load(quiz_id).await {
            Ok(bytes) => Snapshot::open(bytes?, key),
            Err(error) => {
                tracing::warn!(quiz_id, error = %error, "snapshot not loaded, all attempts are read");
                None
            }
        }
    }

    pub(super) fn writer(key: &SnapshotKey, read_started_at: Timestamp) -> Option<SnapshotWriter> {
        SnapshotWriter::new(key, read_started_at.checked_sub(SETTLED).ok()?)
    }

    /// Saves the snapshot if it saves the next read more time than writing it takes.
    pub(super) async fn save(&self, quiz_id: &str, written: SnapshotWriter) {
        if written.len() < self.least || written.read() * READ_ANEW < written.len() {
            return;
        }
        let attempts = written.len();
        match self.store.save(quiz_id, written.into_bytes()).await {
            Ok(()) => tracing::debug!(quiz_id, attempts, "snapshot saved"),
            Err(error) => {
                tracing::warn!(quiz_id, error = %error, "snapshot not saved, the next sync reads all attempts");
            }
        }
    }
}
