use std::sync::Arc;

use jiff::Timestamp;

use crate::ports::{Fence, WarehouseBatch};
use crate::progress::WriteProgress;

/// What one run of one test session may do, and what earlier runs of the same sync have done.
#[derive(Clone)]
pub struct RunScope {
    /// Greater than that of any run of this test session before.
    pub generation: i64,
    /// The read sees all that was there then.
    pub read_started_at: Timestamp,
    /// Whether all is written, also what is unchanged.
    pub rewrite: bool,
    pub fence: Fence,
    pub progress: WriteProgress,
    /// Where the run stages its rows until the batch's commit. See [`crate::SessionSync::begin`].
    pub staging: Option<Arc<dyn WarehouseBatch>>,
}

impl RunScope {
    /// For a run that needs no lease, because no other run can be: it writes what differs, and begins anew.
    #[must_use]
    pub fn unfenced(generation: i64, read_started_at: Timestamp) -> Self {
        Self {
            generation,
            read_started_at,
            rewrite: false,
            fence: Fence::open(),
            progress: WriteProgress::default(),
            staging: None,
        }
    }
}
