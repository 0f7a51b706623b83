use jiff::civil::Date;

use super::{Coordinator, MOST_SWAPS, Run, pause};
use crate::error::SyncError;

impl Coordinator {
    /// Stores the start date of warehouse rows before the run commits them: if the process dies, the next run finds them.
    pub(crate) async fn store_start_date(&self, run: &Run, date: Date) -> Result<(), SyncError> {
        let session_id = &run.key.session_id;
        for attempt in 0..MOST_SWAPS {
            let seen = self.states.get(&run.key).await?;
            if !seen.is_held_by(&run.holder) {
                return Err(SyncError::TakenOver { session_id: session_id.clone() });
            }
            let Some(next) = seen.with_start_date(date) else { return Ok(()) };
            if self.states.swap(&run.key, &seen, &next).await? {
                return Ok(());
            }
            pause(attempt).await;
        }
        Err(SyncError::Contended { session_id: session_id.clone(), attempts: MOST_SWAPS })
    }
}
