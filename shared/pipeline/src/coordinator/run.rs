//! A run: one try to sync one test session, under one lease.
//!
//! A heartbeat extends the lease while the run works. The fence ends a quarter of the lease before the lease does, so a
//! write that was sent in time has arrived when another run can begin. Before the lease is given up, the run waits until
//! its unanswered writes can no longer arrive. See docs/decisions/0008-sync-state.md.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quiz_events::SessionTarget;
use quiz_sync_state::{LeaseHolder, Rules, StateError, StateKey, SyncState, SyncStates, millis};
use tokio::task::AbortHandle;
use tracing::Instrument;

use super::Coordinator;
use crate::ports::{Clock, Fence, WarehouseBatch};
use crate::progress::WriteProgress;
use crate::request::SessionRequest;
use crate::scope::RunScope;

/// The fence ends before the lease by the lease divided by this; a heartbeat is due as often.
const LEASE_DIVISOR: u32 = 4;
const _: () = assert!(
    Rules::DEFAULT.late.saturating_mul(LEASE_DIVISOR).as_millis() < Rules::DEFAULT.lease.as_millis(),
    "a late write arrives while the lease lasts"
);
/// How often a run that is about to end checks its write requests.
const CHECK: Duration = Duration::from_millis(100);

/// A test session that this process syncs. A heartbeat extends the lease until the run is dropped.
pub(crate) struct Run {
    pub key: StateKey,
    pub target: SessionTarget,
    pub holder: LeaseHolder,
    pub state: SyncState,
    pub progress: WriteProgress,
    pub fence: Fence,
    clock: Arc<dyn Clock>,
    rules: Rules,
    heartbeat: AbortHandle,
}

impl Run {
    /// Starts the heartbeat of a stored lease.
    pub fn begin(
        coordinator: &Coordinator,
        target: SessionTarget,
        owner: &str,
        state: SyncState,
        progress: WriteProgress,
    ) -> Self {
        let key = coordinator.key(&target.session_id);
        let holder = LeaseHolder { owner: owner.to_owned(), generation: state.generation };
        let slack = coordinator.rules.lease / LEASE_DIVISOR;
        let until = state.lease.as_ref().map_or(i64::MIN, |lease| lease.until);
        let fence = Fence::new(Arc::clone(&coordinator.clock), until.saturating_sub(millis(slack)));
        let heartbeat = Heartbeat {
            states: Arc::clone(&coordinator.states),
            clock: Arc::clone(&coordinator.clock),
            rules: coordinator.rules,
            slack,
            key: key.clone(),
            holder: holder.clone(),
            fence: fence.clone(),
        };
        let heartbeat = tokio::spawn(heartbeat.run().in_current_span()).abort_handle();
        let (clock, rules) = (Arc::clone(&coordinator.clock), coordinator.rules);
        Self { key, target, holder, state, progress, fence, clock, rules, heartbeat }
    }

    /// The request of the run and of all messages that joined by now, with the newest description.
    pub fn request(&self, own: &SessionRequest) -> SessionRequest {
        let joined = usize::try_from(self.state.joined).unwrap_or(usize::MAX);
        let completion = self.state.newest_completion.and_then(|at| Timestamp::from_millisecond(at).ok());
        SessionRequest {
            description: self.state.session.clone(),
            messages: own.messages.saturating_add(joined),
            newest_completion: own.newest_completion.max(completion),
            backfill_id: own.backfill_id.clone().filter(|_| joined == 0),
            ..own.clone()
        }
    }

    pub fn scope(&self, read_started_at: Timestamp, staging: Option<Arc<dyn WarehouseBatch>>) -> RunScope {
        RunScope {
            generation: self.holder.generation,
            read_started_at,
            rewrite: self.is_to_rewrite(),
            fence: self.fence.clone(),
            progress: self.progress.clone(),
            start_dates: self.state.start_dates.clone(),
            has_finished_before: self.state.synced_through > 0,
            staging,
        }
    }

    fn is_to_rewrite(&self) -> bool {
        self.state.is_to_rewrite(&self.rules)
    }

    /// The progress of a stopped run; `None` if it has written nothing.
    pub fn progress_if_stopped(&self) -> Option<String> {
        self.progress.after_stop(self.holder.generation, self.is_to_rewrite())
    }

    /// The progress of a failed run.
    pub fn progress_if_failed(&self) -> Option<String> {
        self.progress.after_failure(self.holder.generation, self.is_to_rewrite())
    }

    /// Waits until no write request of this run can arrive any more: the next run may begin as soon as the lease is given
    /// up. Waits only if a request had no answer; the heartbeat extends the lease for that time.
    pub async fn outlast_writes(&self) {
        let mut has_waited = false;
        while let Some(sent_at) = self.fence.last_unanswered() {
            let left = sent_at.saturating_add(millis(self.rules.late)) - self.clock.now().as_millisecond();
            let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else { return };
            if !std::mem::replace(&mut has_waited, true) {
                let (session_id, sink) = (&self.key.session_id, self.key.sink.as_str());
                tracing::info!(session_id, sink, wait_ms = left, "wait for unanswered writes");
            }
            tokio::time::sleep(CHECK.min(Duration::from_millis(left))).await;
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.heartbeat.abort();
        self.fence.revoke();
    }
}

struct Heartbeat {
    states: Arc<dyn SyncStates>,
    clock: Arc<dyn Clock>,
    rules: Rules,
    slack: Duration,
    key: StateKey,
    holder: LeaseHolder,
    fence: Fence,
}

impl Heartbeat {
    async fn run(self) {
        loop {
            tokio::time::sleep(self.slack).await;
            match self.beat().await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(
                        session_id = self.key.session_id,
                        sink = self.key.sink.as_str(),
                        generation = self.holder.generation,
                        "the lease was taken over"
                    );
                    return self.fence.revoke();
                }
                // the fence ends unless the next heartbeat succeeds
                Err(error) => tracing::warn!(
                    session_id = self.key.session_id,
                    sink = self.key.sink.as_str(),
                    error = %error,
                    "heartbeat not stored"
                ),
            }
        }
    }

    /// Extends the lease; returns whether this run still holds it.
    async fn beat(&self) -> Result<bool, StateError> {
        loop {
            let seen = self.states.get(&self.key).await?;
            let now = self.clock.now().as_millisecond();
            let Some(next) = seen.heartbeat(&self.holder, now, &self.rules) else { return Ok(false) };
            if self.states.swap(&self.key, &seen, &next).await? {
                let until = next.lease.as_ref().map_or(i64::MIN, |lease| lease.until);
                self.fence.extend(until.saturating_sub(millis(self.slack)));
                return Ok(true);
            }
            super::pause(0).await;
        }
    }
}
