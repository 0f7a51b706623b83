mod follow_up;
mod note;
mod run;

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

/// After so many swaps that others won, a change is given up for now.
const SWAPS: u32 = 100;
/// After so many swaps whose answer was lost, the store is down.
const ANSWERS: u32 = 3;
/// The pause after a lost swap grows by this, with jitter.
const PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(300);
/// What is deferred for want of time is done by another invocation, as soon as the queue can hand it on.
const SOON_MS: i64 = 1_000;

/// Decides, by the sync state, who syncs which test, and keeps the state of it.
pub struct Coordinator {
    states: Arc<dyn SyncStates>,
    clock: Arc<dyn Clock>,
    sink: Sink,
    rules: Rules,
}

/// The time that is left to sync a test in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub left: Duration,
    /// No other invocation would have more.
    pub is_all: bool,
    /// Less than this is too little for any test.
    pub least: Duration,
    pub isolation: Isolation,
    /// Of the whole batch.
    pub total: Duration,
}

impl Room {
    /// Whether a sync that last took so long can be begun.
    fn fits(self, last: Duration) -> bool {
        // a suspect is run after all others, so it never has all of the time
        let is_most = self.isolation == Isolation::Alone && self.left >= self.total / 2;
        self.left >= self.least && (self.is_all || is_most || self.left >= last.mul_f64(1.25))
    }
}

/// What to do with a test session whose last run crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Nothing, until the other test sessions of the batch are settled.
    Wait,
    /// Leave it to a follow-up, due so much later: another suspect of the batch is run, and may crash.
    Defer { after: Duration },
    /// Run it: all else is settled.
    Alone,
}

/// How likely a test session's run ends its process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspicion {
    pub crashed_runs: u32,
    /// When the newest of them took its lease.
    pub began: i64,
}

/// What becomes of a test's messages.
pub(crate) enum Admitted {
    Run(Box<Run>),
    /// Synced already.
    Covered,
    /// Another run does it. `keep` is a message that it stands on, which must stay in the queue until then.
    Joined {
        keep: Option<(String, Duration)>,
    },
    /// A follow-up does it: in a row of so many.
    Deferred {
        depth: u32,
    },
    /// An earlier run crashed: the caller asks again once the other test sessions are settled.
    Isolate(Suspicion),
}

/// What is left to do once a state is stored.
enum Then {
    Say(Admitted),
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

    /// Takes the test on, for the messages that ask for it, or says who does. `known` is the state as it was read since
    /// the messages were received, where it was.
    pub(crate) async fn admit(
        &self,
        request: &SessionRequest,
        messages: &[&QueueMessage],
        mut known: Option<SyncState>,
        room: Room,
        queue: &dyn SourceQueue,
    ) -> Result<Admitted, SyncError> {
        let session_id = &request.target.session_id;
        let key = self.key(session_id);
        let mut ask = self.ask(request, messages);
        let mut lost_answers = 0;
        for attempt in 0..SWAPS {
            let seen = match known.take() {
                Some(known) => Ok(known),
                None => self.states.get(&key).await,
            };
            let seen = match seen {
                Ok(seen) => seen,
                Err(cause) if lost_answers > 0 => return Err(SyncError::LeaseUnsure { cause }),
                Err(error) => return Err(error.into()),
            };
            let now = self.now();
            let last = Duration::from_millis(seen.last.duration_ms);
            if room.is_all && room.left < room.least {
                return Err(SyncError::NoTime { left: room.left });
            }
            ask.not_before = match room.isolation {
                Isolation::Defer { after } => {
                    Some(now + SOON_MS + i64::try_from(after.as_millis()).unwrap_or(0))
                }
                _ => (!room.fits(last)).then_some(now + SOON_MS),
            };
            ask.is_alone = room.isolation == Isolation::Alone;
            let (next, then) = match seen.admit(&ask, now, &self.rules) {
                Admission::Covered => return Ok(Admitted::Covered),
                Admission::Contradicts { quiz_id: newest, now: running } => {
                    return Err(SyncError::Contradiction {
                        session_id: session_id.clone(),
                        quiz_id: ask.quiz_id,
                        newest,
                        permanent: !running,
                    });
                }
                Admission::Joined { next, keep } => {
                    let left = seen.lease.as_ref().map_or(0, |lease| lease.until.saturating_sub(now));
                    let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
                    let joined = Admitted::Joined { keep: keep.map(|id| (id, left)) };
                    let Some(next) = next else { return Ok(joined) };
                    (next, Then::Say(joined))
                }
                Admission::Defer { due } => {
                    // anew each time: whoever took an earlier one may have counted on the state as it was
                    let depth = seen.follow_up_depth.max(ask.follow_up_depth).saturating_add(1);
                    let follow_up = follow_up::send(&request.target, depth, due, now, queue).await?;
                    (seen.deferred(&ask, follow_up), Then::Say(Admitted::Deferred { depth }))
                }
                Admission::Isolate { crashed_runs, began } => {
                    return Ok(Admitted::Isolate(Suspicion { crashed_runs, began }));
                }
                Admission::Park { crashed_runs } => {
                    let error = SyncError::RunsCrash { session_id: session_id.clone(), crashed_runs };
                    let failure =
                        RunFailure { code: error.code().to_owned(), error: error.to_string(), parked: true };
                    (seen.parked_for_crashes(&ask, failure, now), Then::Fail(error))
                }
                Admission::Run { next, progress } => (next, Then::Run { progress }),
            };
            let swapped = match self.states.swap(&key, &seen, &next).await {
                Ok(swapped) => swapped,
                // it may be stored all the same: what is read next tells
                Err(cause @ StateError::Unavailable { .. }) if matches!(then, Then::Run { .. }) => {
                    lost_answers += 1;
                    if lost_answers == ANSWERS {
                        return Err(SyncError::LeaseUnsure { cause });
                    }
                    false
                }
                Err(error) => return Err(error.into()),
            };
            if swapped {
                return Ok(match then {
                    Then::Say(admitted) => admitted,
                    Then::Fail(error) => return Err(error),
                    Then::Run { progress } => {
                        if next.crashed_runs > 0 {
                            let (crashed_runs, sink) = (next.crashed_runs, self.sink.as_str());
                            tracing::warn!(session_id, sink, crashed_runs, "run after crashed runs");
                        }
                        let progress = WriteProgress::of(progress.as_deref());
                        Admitted::Run(Box::new(Run::begin(
                            self,
                            request.target.clone(),
                            &ask.owner,
                            next,
                            progress,
                        )))
                    }
                });
            }
            pause(attempt).await;
        }
        Err(SyncError::Contended { session_id: session_id.clone(), attempts: SWAPS })
    }

    fn ask(&self, request: &SessionRequest, messages: &[&QueueMessage]) -> LeaseRequest {
        // the newest, which is the least likely to be covered by then; of several whichever can come back the most often
        let anchor = messages.iter().max_by_key(|it| (it.sent_at, Reverse(it.receive_count)));
        let now = self.now();
        let description = request.description.as_ref();
        let described_at = request.described_at.map_or(now, |at| at.as_millisecond().min(now));
        LeaseRequest {
            quiz_id: request.target.quiz_id.clone(),
            through: request.asked_at.map_or(now, |at| at.as_millisecond().min(now)),
            message_ids: messages.iter().map(|message| message.message_id.clone()).collect(),
            anchor: anchor.map(|message| message.message_id.clone()).unwrap_or_default(),
            force: request.force.then_some(now),
            newest_completion: request.newest_completion.map(Timestamp::as_millisecond),
            description: description.map(|it| (described_at, it.clone())),
            owner: format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)),
            not_before: None,
            is_alone: false,
            follow_up_depth: request.follow_up_depth,
        }
    }

    /// Waits until a read covers all that is asked for by now, and a little that still comes: events of one
    /// burst are done together.
    pub(crate) async fn ready(&self, run: &mut Run) -> Result<(), SyncError> {
        for _ in 0..2 {
            let readable_at = self.rules.readable_at(run.state.requested_through);
            while self.now() < readable_at {
                let wait = u64::try_from(readable_at - self.now()).unwrap_or_default();
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            let state = self.states.get(&run.key).await?;
            if !state.is_held_by(&run.hold) {
                return Err(SyncError::TakenOver { session_id: run.key.session_id.clone() });
            }
            run.state = state;
        }
        Ok(())
    }

    /// All is written. Sends a follow-up for requests that came since the read began, and returns its depth.
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
        self.end(run, queue, |state, _| state.finished(&run.hold, &last, &self.rules)).await
    }

    /// The run had to stop, and a follow-up goes on with what it has left to do.
    pub(crate) async fn pause(
        &self,
        run: &Run,
        progress: &str,
        queue: &dyn SourceQueue,
    ) -> Result<Option<u32>, SyncError> {
        self.end(run, queue, |state, now| state.paused(&run.hold, progress.to_owned(), now)).await
    }

    /// The run's messages come again, or are parked.
    pub(crate) async fn fail(
        &self,
        run: &Run,
        failure: RunFailure,
        queue: &dyn SourceQueue,
    ) -> Result<Option<u32>, SyncError> {
        // what it has written need not be written again
        let progress = run.progress_if_failed();
        self.end(run, queue, |state, now| state.failed(&run.hold, failure.clone(), progress.clone(), now))
            .await
    }

    /// How long a lease holds that nobody ends.
    pub(crate) fn lease(&self) -> Duration {
        self.rules.lease
    }

    async fn end(
        &self,
        run: &Run,
        queue: &dyn SourceQueue,
        ending: impl Fn(&SyncState, i64) -> Ending,
    ) -> Result<Option<u32>, SyncError> {
        run.outlast_writes().await;
        let session_id = &run.key.session_id;
        let (mut lost_answers, mut depth) = (0, None);
        for attempt in 0..SWAPS {
            let seen = self.states.get(&run.key).await?;
            let now = self.now();
            let next = match ending(&seen, now) {
                Ending::Stored => return Ok(depth),
                Ending::Lost => return Err(SyncError::TakenOver { session_id: session_id.clone() }),
                Ending::Store { next, due: None } => *next,
                Ending::Store { next, due: Some(due) } => {
                    // anew each time: whoever took an earlier one may have counted on the state as it was
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
                    if lost_answers == ANSWERS {
                        return Err(error.into());
                    }
                }
            }
            pause(attempt).await;
        }
        Err(SyncError::Contended { session_id: session_id.clone(), attempts: SWAPS })
    }
}

async fn pause(attempt: u32) {
    let longest = PAUSE.saturating_mul(attempt.saturating_add(1)).min(LONGEST_PAUSE);
    tokio::time::sleep(longest.mul_f64(fastrand::f64())).await;
}
