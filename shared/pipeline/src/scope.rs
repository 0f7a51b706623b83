use std::sync::Arc;

use jiff::Timestamp;
use quiz_sync_state::StartDates;

use crate::ports::{Fence, WarehouseBatch};
use crate::progress::WriteProgress;

/// The permissions and inputs of one run of one test session.
#[derive(Clone)]
pub struct RunScope {
    /// Greater than the generation of any earlier run of this test session.
    pub generation: i64,
    /// The read sees all documents that were written before this time.
    pub read_started_at: Timestamp,
    /// Whether unchanged items are written as well.
    pub rewrite: bool,
    pub fence: Fence,
    pub progress: WriteProgress,
    /// The start dates under which the warehouse may have rows of earlier runs.
    pub start_dates: StartDates,
    /// Whether a sync of this test session has finished before.
    pub has_finished_before: bool,
    /// The staging area until the batch's commit. See [`crate::SessionSync::begin`].
    pub staging: Option<Arc<dyn WarehouseBatch>>,
}

impl RunScope {
    /// The scope of a run that needs no lease, because no other run exists. It writes changed items only.
    #[must_use]
    pub fn unfenced(generation: i64, read_started_at: Timestamp) -> Self {
        Self {
            generation,
            read_started_at,
            rewrite: false,
            fence: Fence::open(),
            progress: WriteProgress::default(),
            start_dates: StartDates::unknown(),
            has_finished_before: false,
            staging: None,
        }
    }
}
