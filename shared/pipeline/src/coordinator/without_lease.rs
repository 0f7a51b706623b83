//! Requests and failures that are stored while no lease is held.

use quiz_events::QueueMessage;
use quiz_sync_state::{RunFailure, SyncState};

use super::{Coordinator, MOST_LOST_ANSWERS, MOST_SWAPS, pause};
use crate::error::SyncError;
use crate::request::SessionRequest;

impl Coordinator {
    /// Stores the request before MongoDB is queried: if MongoDB is down, the state shows the waiting test session. Returns
    /// the state with the request.
    pub(crate) async fn store_request(
        &self,
        request: &SessionRequest,
        messages: &[&QueueMessage],
    ) -> Result<SyncState, SyncError> {
        let lease_request = self.lease_request(request, messages);
        self.change(&request.target.session_id, |seen, _| seen.noted(&lease_request, &self.rules)).await
    }

    /// Stores a failure that happened before the lease was taken. A failure that cannot be stored is only logged.
    pub(crate) async fn store_early_failure(
        &self,
        request: &SessionRequest,
        messages: &[&QueueMessage],
        failure: &RunFailure,
    ) {
        let lease_request = self.lease_request(request, messages);
        let failed =
            |seen: &SyncState, now| seen.failed_early(&lease_request, failure.clone(), now, &self.rules);
        if let Err(error) = self.change(&request.target.session_id, failed).await {
            let session_id = &request.target.session_id;
            tracing::warn!(session_id, sink = self.sink.as_str(), error = %error, "failure not stored");
        }
    }

    /// Stores a change that takes no lease; returns the state after it.
    async fn change(
        &self,
        session_id: &str,
        change: impl Fn(&SyncState, i64) -> Option<SyncState>,
    ) -> Result<SyncState, SyncError> {
        let key = self.key(session_id);
        let mut lost_answers = 0;
        for attempt in 0..MOST_SWAPS {
            let seen = self.states.get(&key).await?;
            let Some(next) = change(&seen, self.now()) else { return Ok(seen) };
            match self.states.swap(&key, &seen, &next).await {
                Ok(true) => return Ok(SyncState { revision: seen.revision.saturating_add(1), ..next }),
                Ok(false) => {}
                Err(error) => {
                    lost_answers += 1;
                    if lost_answers == MOST_LOST_ANSWERS {
                        return Err(error.into());
                    }
                }
            }
            pause(attempt).await;
        }
        Err(SyncError::Contended { session_id: session_id.to_owned(), attempts: MOST_SWAPS })
    }
}
