//! Decides who syncs a test session into the sink, by the stored sync state.
//!
//! Problem: many invocations get messages of the same test session, and any of them can die. Exactly one run may write at a
//! time, and no request may be lost.
//!
//! Idea: read the state, decide with the pure rules of `quiz_sync_state`, and store the decision by compare-and-swap. A lost
//! swap means that another invocation changed the state: read again and decide again.
//!
//! - A message is acknowledged for a run or follow-up only after the state that counts on it is stored.
//! - A follow-up is sent before the state that names it is stored. Each attempt of a swap sends a new follow-up, because
//!   the earlier one may already be received and covered.
//! - A swap without an answer may have stored a lease. The error [`SyncError::LeaseUnsure`] keeps the messages in the
//!   queue until that lease has expired.
//!
//! See docs/decisions/0008-sync-state.md.

mod follow_up;
mod run;
mod start_date;
mod without_lease;

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quiz_events::{QueueMessage, Sink, SourceQueue};
use quiz_sync_state::{
    Admission, Ending, LastRun, LeaseRequest, Rules, RunFailure, StateError, StateKey, SyncState, SyncStates,
};

use crate::error::SyncError;
use crate::outcome::SyncOutcome;
use crate::ports::Clock;
use crate::progress::WriteProgress;
use crate::request::SessionRequest;
use crate::stopwatch::millis;

pub(crate) use run::Run;

/// Swaps tried before a change is given up for now.
const MOST_SWAPS: u32 = 100;
/// Swaps without an answer after which the store counts as down.
const MOST_LOST_ANSWERS: u32 = 3;
/// The pause after a lost swap grows by this with each swap, with jitter.
const PAUSE_STEP: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(300);
/// The delay of a follow-up that another invocation should take at once.
const SOON_MS: i64 = 1_000;

/// Takes leases, stores requests and ends runs, for one sink.
pub struct Coordinator {
    states: Arc<dyn SyncStates>,
    clock: Arc<dyn Clock>,
    sink: Sink,
    rules: Rules,
}

/// The time that a batch has left for one test session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeBudget {
    pub left: Duration,
    /// No other invocation would have more time.
    pub is_whole: bool,
    /// Less than this is too little for any test session.
    pub least: Duration,
    pub isolation: Isolation,
    /// The time of the whole batch.
    pub total: Duration,
}

impl TimeBudget {
    /// Whether a sync can start whose last run took `last`.
    fn fits(self, last: Duration) -> bool {
        // a suspect runs after all others, so it never has all of the time
        let is_most = self.isolation == Isolation::Alone && self.left >= self.total / 2;
        self.left >= self.least && (self.is_whole || is_most || self.left >= last.mul_f64(1.25))
    }
}

/// What to do with a test session whose last run crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Wait until the other test sessions of the batch are settled.
    Wait,
    /// Leave the test session to a follow-up that is due after this time: another suspect of the batch runs, and may crash.
    Defer { after: Duration },
    /// Run the test session: all other messages are settled.
    Alone,
}

/// How likely the run of a test session crashes its process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspicion {
    pub crashed_runs: u32,
    /// When the newest crashed run took its lease, in milliseconds since 1970.
    pub began: i64,
}

/// The decision about the messages of one test session.
pub(crate) enum Admitted {
    Run(Box<Run>),
    /// A finished sync covers the messages.
    Covered,
    /// Another run or a follow-up serves the messages. `keep` is the anchor of that run, with the time left of its lease:
    /// the anchor must stay in the queue.
    Joined {
        keep: Option<(String, Duration)>,
    },
    /// A follow-up was sent, the `depth`th in a row.
    Deferred {
        depth: u32,
    },
    /// An earlier run crashed: the caller admits again once the other test sessions are settled.
    Isolate(Suspicion),
}

/// The step after a state is stored.
enum AfterSwap {
    Return(Admitted),
    Fail(SyncError),
    Run { progress: Option<String> },
}

impl Coordinator {
    #[must_use]
    pub fn new(states: Arc<dyn SyncStates>, clock: Arc<dyn Clock>, sink: Sink, rules: Rules) -> Self {
        Self { states, clock, sink, rules }
    }

    pub(crate) fn sink(&self) -> Sink {
        self.sink
    }

    fn key(&self, session_id: &str) -> StateKey {
        StateKey { session_id: session_id.to_owned(), sink: self.sink }
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    /// Takes the lease of a test session for these messages, or decides who serves them. `known` is the state, if it was
    /// read after the messages were received.
    pub(crate) async fn admit(
        &self,
        request: &SessionRequest,
        messages: &[&QueueMessage],
        mut known: Option<SyncState>,
        budget: TimeBudget,
        queue: &dyn SourceQueue,
    ) -> Result<Admitted, SyncError> {
        let session_id = &request.target.session_id;
        let key = self.key(session_id);
        let mut lease_request = self.lease_request(request, messages);
        let mut lost_answers = 0;
        for attempt in 0..MOST_SWAPS {
            // read the state
            let seen = match known.take() {
                Some(known) => Ok(known),
                None => self.states.get(&key).await,
            };
            let seen = match seen {
                Ok(seen) => seen,
                Err(cause) if lost_answers > 0 => return Err(SyncError::LeaseUnsure { cause }),
                Err(error) => return Err(error.into()),
            };
            // decide
            let now = self.now();
            let last = Duration::from_millis(seen.last.duration_ms);
            if budget.is_whole && budget.left < budget.least {
                return Err(SyncError::NoTime { left: budget.left });
            }
            lease_request.not_before = match budget.isolation {
                Isolation::Defer { after } => {
                    Some(now + SOON_MS + i64::try_from(after.as_millis()).unwrap_or(0))
                }
                _ => (!budget.fits(last)).then_some(now + SOON_MS),
            };
            lease_request.is_alone = budget.isolation == Isolation::Alone;
            let (next, after) = match seen.admit(&lease_request, now, &self.rules) {
                Admission::Covered => return Ok(Admitted::Covered),
                Admission::Contradicts { quiz_id: newest, now: running } => {
                    return Err(SyncError::Contradiction {
                        session_id: session_id.clone(),
                        quiz_id: lease_request.quiz_id,
                        newest,
                        permanent: !running,
                    });
                }
                Admission::Joined { next, keep } => {
                    let left = seen.lease.as_ref().map_or(0, |lease| lease.until.saturating_sub(now));
                    let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
                    let joined = Admitted::Joined { keep: keep.map(|id| (id, left)) };
                    let Some(next) = next else { return Ok(joined) };
                    (next, AfterSwap::Return(joined))
                }
                Admission::Defer { due } => {
                    // a new follow-up each time: an earlier one may be received and covered already
                    let depth = seen.follow_up_depth.max(lease_request.follow_up_depth).saturating_add(1);
                    let follow_up = follow_up::send(&request.target, depth, due, now, queue).await?;
                    (
                        seen.deferred(&lease_request, follow_up),
                        AfterSwap::Return(Admitted::Deferred { depth }),
                    )
                }
                Admission::Isolate { crashed_runs, began } => {
                    return Ok(Admitted::Isolate(Suspicion { crashed_runs, began }));
                }
                Admission::Park { crashed_runs } => {
                    let error = SyncError::RunsCrash { session_id: session_id.clone(), crashed_runs };
                    let failure =
                        RunFailure { code: error.code().to_owned(), error: error.to_string(), parked: true };
                    (seen.parked_for_crashes(&lease_request, failure, now), AfterSwap::Fail(error))
                }
                Admission::Run { next, progress } => (next, AfterSwap::Run { progress }),
            };
            // store the decision
            let swapped = match self.states.swap(&key, &seen, &next).await {
                Ok(swapped) => swapped,
                // the lease may be stored all the same: the next read shows it
                Err(cause @ StateError::Unavailable { .. }) if matches!(after, AfterSwap::Run { .. }) => {
                    lost_answers += 1;
                    if lost_answers == MOST_LOST_ANSWERS {
                        return Err(SyncError::LeaseUnsure { cause });
                    }
                    false
                }
                Err(error) => return Err(error.into()),
            };
            if swapped {
                return Ok(match after {
                    AfterSwap::Return(admitted) => admitted,
                    AfterSwap::Fail(error) => return Err(error),
                    AfterSwap::Run { progress } => {
                        if next.crashed_runs > 0 {
                            let (crashed_runs, sink) = (next.crashed_runs, self.sink.as_str());
                            tracing::warn!(session_id, sink, crashed_runs, "run after crashed runs");
                        }
                        let progress = WriteProgress::from_stored(progress.as_deref());
                        Admitted::Run(Box::new(Run::begin(
                            self,
                            request.target.clone(),
                            &lease_request.owner,
                            next,
                            progress,
                        )))
                    }
                });
            }
            pause(attempt).await;
        }
        Err(SyncError::Contended { session_id: session_id.clone(), attempts: MOST_SWAPS })
    }

    fn lease_request(&self, request: &SessionRequest, messages: &[&QueueMessage]) -> LeaseRequest {
        // the anchor is the newest message, which is the least likely to be covered when it returns; of several the one with
        // the most receives left
        let anchor = messages.iter().max_by_key(|message| (message.sent_at, Reverse(message.receive_count)));
        let now = self.now();
        let description = request.description.as_ref();
        let described_at = request.described_at.map_or(now, |at| at.as_millisecond().min(now));
        LeaseRequest {
            quiz_id: request.target.quiz_id.clone(),
            through: request.requested_at.map_or(now, |at| at.as_millisecond().min(now)),
            message_ids: messages.iter().map(|message| message.message_id.clone()).collect(),
            anchor: anchor.map(|message| message.message_id.clone()).unwrap_or_default(),
            force: request.force.then_some(now),
            newest_completion: request.newest_completion.map(Timestamp::as_millisecond),
            description: description.map(|session| (described_at, session.clone())),
            owner: format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)),
            not_before: None,
            is_alone: false,
            follow_up_depth: request.follow_up_depth,
        }
    }

    /// Waits until a read covers all requests so far. Two rounds, so that one sync also serves the requests that arrive
    /// during the first wait.
    pub(crate) async fn wait_until_readable(&self, run: &mut Run) -> Result<(), SyncError> {
        for _ in 0..2 {
            let readable_at = self.rules.readable_at(run.state.requested_through);
            while self.now() < readable_at {
                let wait = u64::try_from(readable_at - self.now()).unwrap_or_default();
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            let state = self.states.get(&run.key).await?;
            if !state.is_held_by(&run.holder) {
                return Err(SyncError::TakenOver { session_id: run.key.session_id.clone() });
            }
            run.state = state;
        }
        Ok(())
    }

    /// Ends a run that has written everything. Sends a follow-up for requests that arrived after the read began, and returns
    /// its depth.
    pub(crate) async fn finish(
        &self,
        run: &Run,
        outcome: &SyncOutcome,
        queue: &dyn SourceQueue,
    ) -> Result<Option<u32>, SyncError> {
        let last = LastRun {
            joined: run.state.joined,
            participants: u64::try_from(outcome.participants).unwrap_or(u64::MAX),
            rows_written: outcome.rows_written,
            read_started_at: outcome.started_at.as_millisecond(),
            read_described_at: run.state.described_at,
            finished_at: self.now(),
            duration_ms: millis(outcome.duration),
            ..LastRun::default()
        };
        self.end(run, queue, |state, _| {
            let finished = state.finished(&run.holder, &last, &self.rules);
            finished.with(|next| {
                next.key_digest = outcome.key_digest.as_ref().map(ToString::to_string);
                if let Some(date) = outcome.start_date {
                    next.start_dates = date.into();
                }
            })
        })
        .await
    }

    /// Ends a run that was stopped near the deadline. Sends a follow-up that continues it, and returns its depth.
    pub(crate) async fn pause(
        &self,
        run: &Run,
        progress: &str,
        queue: &dyn SourceQueue,
    ) -> Result<Option<u32>, SyncError> {
        self.end(run, queue, |state, now| state.paused(&run.holder, progress.to_owned(), now)).await
    }

    /// Ends a failed run, whose messages are retried or parked.
    pub(crate) async fn fail(
        &self,
        run: &Run,
        failure: RunFailure,
        queue: &dyn SourceQueue,
    ) -> Result<Option<u32>, SyncError> {
        // the next run does not write these items again
        let progress = run.progress_if_failed();
        self.end(run, queue, |state, now| state.failed(&run.holder, failure.clone(), progress.clone(), now))
            .await
    }

    /// The time after which a lease without a heartbeat expires.
    pub(crate) fn lease(&self) -> Duration {
        self.rules.lease
    }

    /// Stores the end of a run by compare-and-swap; returns the depth of the follow-up, if one was sent.
    async fn end(
        &self,
        run: &Run,
        queue: &dyn SourceQueue,
        ending: impl Fn(&SyncState, i64) -> Ending,
    ) -> Result<Option<u32>, SyncError> {
        // no write of this run may arrive after its lease is given up
        run.outlast_writes().await;
        let session_id = &run.key.session_id;
        let (mut lost_answers, mut depth) = (0, None);
        for attempt in 0..MOST_SWAPS {
            let seen = self.states.get(&run.key).await?;
            let now = self.now();
            let next = match ending(&seen, now) {
                Ending::Stored => return Ok(depth),
                Ending::Lost => return Err(SyncError::TakenOver { session_id: session_id.clone() }),
                Ending::Store { next, due: None } => *next,
                Ending::Store { next, due: Some(due) } => {
                    // a new follow-up each time: an earlier one may be received and covered already
                    let next_depth = next.follow_up_depth.saturating_add(1);
                    let follow_up = follow_up::send(&run.target, next_depth, due, now, queue).await?;
                    depth = Some(next_depth);
                    next.followed_up(follow_up)
                }
            };
            match self.states.swap(&run.key, &seen, &next).await {
                Ok(true) => return Ok(depth),
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
        Err(SyncError::Contended { session_id: session_id.clone(), attempts: MOST_SWAPS })
    }
}

/// Waits a little after a lost swap.
async fn pause(attempt: u32) {
    let longest = PAUSE_STEP.saturating_mul(attempt.saturating_add(1)).min(LONGEST_PAUSE);
    tokio::time::sleep(longest.mul_f64(fastrand::f64())).await;
}
