//! Requests and failures that are stored while no lease is held.

use quiz_events::QueueMessage;
use quiz_sync_state::{RunFailure, SyncState};

use super::{ANSWERS, Coordinator, SWAPS, pause};
use crate::error::SyncError;
use crate::request::SessionRequest;

impl Coordinator {
    /// Stores the request, before anything else is asked about it: should MongoDB be down, the state tells what waits.
    /// Gives the state as it is then.
    pub(crate) async fn note(
        &self,
        request: &SessionRequest,
        messages: &[&QueueMessage],
    ) -> Result<SyncState, SyncError> {
        let ask = self.ask(request, messages);
        self.change(&request.target.session_id, |seen, _| seen.noted(&ask, &self.rules)).await
    }

    /// Keeps a failure that came before the lease was taken. Where that cannot be stored, only the log has it.
    pub(crate) async fn failed_early(
        &self,
        request: &SessionRequest,
        messages: &[&QueueMessage],
        failure: &RunFailure,
    ) {
        let ask = self.ask(request, messages);
        let failed = |seen: &SyncState, now| seen.failed_early(&ask, failure.clone(), now, &self.rules);
        if let Err(error) = self.change(&request.target.session_id, failed).await {
            let session_id = &request.target.session_id;
            tracing::warn!(session_id, sink = self.sink.as_str(), error = %error, "failure not stored");
        }
    }

    /// Stores a change that takes no lease; gives the state as it is then.
    async fn change(
        &self,
        session_id: &str,
        change: impl Fn(&SyncState, i64) -> Option<SyncState>,
    ) -> Result<SyncState, SyncError> {
        let key = self.key(session_id);
        let mut lost_answers = 0;
        for attempt in 0..SWAPS {
            let seen = self.states.get(&key).await?;
            let Some(next) = change(&seen, self.now()) else { return Ok(seen) };
            match self.states.swap(&key, &seen, &next).await {
                Ok(true) => return Ok(SyncState { revision: seen.revision.saturating_add(1), ..next }),
                Ok(false) => {}
                Err(error) => {
                    lost_answers += 1;
                    if lost_answers == ANSWERS {
                        return Err(error.into());
                    }
                }
            }
            pause(attempt).await;
        }
        Err(SyncError::Contended { session_id: session_id.to_owned(), attempts: SWAPS })
    }
}
