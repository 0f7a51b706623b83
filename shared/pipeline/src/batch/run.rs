mod commit;
mod task;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use quiz_events::{QueueMessage, SourceQueue};
use quiz_sync_state::SyncState;
use task::{Ended, within};
use tokio::time::{Instant, timeout_at};
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use super::groups::{Group, Member};
use super::time::Time;
use super::{BatchHandler, early, named};
use crate::coordinator::{Admitted, Isolation, Room, Run, Suspicion};
use crate::error::{FOLLOW_UP_NOT_SENT, LEASE_LOST, SyncError};
use crate::listener::{Absorbed, Failure, Held};
use crate::outcome::SyncOutcome;
use crate::ports::{StagedSession, WarehouseBatch};
use crate::sync::Synced;

pub(super) const NOT_STARTED: &str = "not_started";
const OUT_OF_TIME: &str = "out_of_time";
/// After the time for syncs, what is decided about a test takes no longer.
const DECISION: Duration = Duration::from_secs(5);
/// A batch is as good as new for so long: no other invocation would have more time.
const FRESH: Duration = Duration::from_secs(5);

/// What became of a group's messages.
#[derive(Debug, Default)]
pub(super) struct GroupResult {
    /// By the message's place in the batch.
    pub failures: Vec<(usize, Failure)>,
    pub synced: bool,
    pub absorbed: usize,
}

/// What became of a batch's groups.
#[derive(Default)]
pub(super) struct BatchEnd {
    pub results: Vec<GroupResult>,
    /// Groups whose earlier run crashed: the caller runs each alone.
    pub isolated: Vec<(Group, Suspicion)>,
}

impl BatchEnd {
    /// The isolated groups, the least suspect first: the fewer runs have crashed, then the later the newest of them
    /// began. The run that had lasted longest when its process died is the most likely cause.
    pub fn least_suspect_first(mut self) -> (Vec<GroupResult>, Vec<Group>) {
        self.isolated.sort_by_key(|(_, suspicion)| (suspicion.crashed_runs, Reverse(suspicion.began)));
        (self.results, self.isolated.into_iter().map(|(group, _)| group).collect())
    }
}

/// A test that is read, scored and staged, and still held.
struct Staged {
    group: Group,
    failures: Vec<(usize, Failure)>,
    run: Box<Run>,
    outcome: SyncOutcome,
    test: StagedSession,
    /// Names the test in the log.
    span: Span,
}

enum Step {
    Ended(GroupResult),
    Staged(Box<Staged>),
    Isolated(Box<(Group, Suspicion)>),
}

/// Syncs the groups' tests, a few at a time, then commits what they have staged. One that fails, panics or
/// runs out of time fails alone.
pub(super) async fn run(
    handler: &BatchHandler,
    groups: Vec<Group>,
    messages: &[QueueMessage],
    queue: &dyn SourceQueue,
    time: Time,
    isolation: Isolation,
) -> BatchEnd {
    if groups.is_empty() {
        return BatchEnd::default();
    }
    let staging = match handler.sync.begin() {
        Ok(staging) => staging,
        Err(error) => {
            let failure = failure(&error);
            let results = early::all_failed(handler, groups, messages, queue, time, &failure).await;
            return BatchEnd { results, ..BatchEnd::default() };
        }
    };
    let turn = Turn { handler, staging, messages, queue, time, isolation };
    let steps: Vec<Step> = stream::iter(groups)
        .map(|group| turn.one_in_span(group))
        .buffer_unordered(handler.limits.concurrency.max(1))
        .collect()
        .await;
    turn.commit(steps).await
}

/// One batch's way through the function's time.
struct Turn<'a> {
    handler: &'a BatchHandler,
    /// Where the test sessions are staged until the commit; `None` where each is written by itself.
    staging: Option<Arc<dyn WarehouseBatch>>,
    messages: &'a [QueueMessage],
    queue: &'a dyn SourceQueue,
    time: Time,
    isolation: Isolation,
}

impl Turn<'_> {
    async fn one_in_span(&self, group: Group) -> Step {
        let session_id = group.request.target.session_id.clone();
        let span = info_span!(
            "test",
            session_id,
            sink = self.handler.coordinator.sink().as_str(),
            generation = Empty
        );
        self.one(group).instrument(span).await
    }

    async fn one(&self, mut group: Group) -> Step {
        let is_all = self.time.began.elapsed() < FRESH;
        let of_group = |member: &Member| self.messages.get(member.place);
        let messages: Vec<&QueueMessage> = group.members.iter().filter_map(of_group).collect();
        let coordinator = &self.handler.coordinator;
        let known = if group.names_users() {
            match self.in_time(coordinator.note(&group.request, &messages)).await {
                Ok(known) => Some(known),
                Err(failure) => return Step::Ended(self.failed(group, Vec::new(), failure).await),
            }
        } else {
            // nothing is asked before the state is
            None
        };
        let checked =
            self.in_time(named::check(&*self.handler.sync, &mut group, self.handler.clock.now())).await;
        let failures: Vec<(usize, Failure)> = match checked {
            Ok(failures) => {
                let patient = |failure| match &known {
                    Some(state) => self.patient(state, failure),
                    None => failure,
                };
                failures.into_iter().map(|(place, failure)| (place, patient(failure))).collect()
            }
            Err(failure) => return Step::Ended(self.failed_early(group, failure).await),
        };
        let room = Room {
            left: self.time.stop.saturating_duration_since(Instant::now()),
            is_all,
            isolation: self.isolation,
            total: self.time.total(),
            least: self.handler.limits.start_reserve.saturating_sub(self.handler.limits.stop_reserve),
        };
        let admitted = coordinator.admit(&group.request, &messages, known, room, self.queue);
        match self.in_time(admitted).await {
            Err(failure) => {
                let unsure = failure.code == OUT_OF_TIME || failure.held.is_some();
                let failure = if unsure { self.held(failure) } else { failure };
                if failure.code == FOLLOW_UP_NOT_SENT && !unsure {
                    let mut result = self.failed_early(group, failure).await;
                    result.failures.extend(failures);
                    return Step::Ended(result);
                }
                Step::Ended(self.failed(group, failures, failure).await)
            }
            Ok(Admitted::Run(run)) => self.sync(group, failures, run).await,
            Ok(Admitted::Covered) => self.absorbed(&group, failures, Absorbed::Covered).await,
            Ok(Admitted::Isolate(suspicion)) if self.isolation == Isolation::Wait => {
                Step::Isolated(Box::new((group, suspicion)))
            }
            Ok(Admitted::Isolate(_)) => Step::Ended(self.failed(group, failures, out_of_time()).await),
            Ok(Admitted::Deferred { depth }) => {
                self.handler.listener.followed_up(&group.request.target, depth).await;
                self.absorbed(&group, failures, Absorbed::Deferred).await
            }
            Ok(Admitted::Joined { keep: None }) => self.absorbed(&group, failures, Absorbed::Joined).await,
            Ok(Admitted::Joined { keep: Some((id, left)) }) => {
                let kept = messages.iter().position(|message| message.message_id == id);
                let kept = kept.and_then(|at| group.members.get(at)).map(|member| member.place);
                let mut failures = failures;
                failures.extend(kept.map(|place| (place, under_way(left))));
                self.absorbed(&group, failures, Absorbed::Joined).await
            }
        }
    }

    async fn sync(&self, group: Group, failures: Vec<(usize, Failure)>, mut run: Box<Run>) -> Step {
        Span::current().record("generation", run.hold.generation);
        let coordinator = &self.handler.coordinator;
        if let Err(failure) = self.in_time(coordinator.ready(&mut run)).await {
            let failure = self.let_go(&group, &run, failure).await;
            return Step::Ended(self.failed(group, failures, failure).await);
        }
        let request = run.request(&group.request);
        let scope = run.scope(self.handler.clock.now(), self.staging.clone());
        let (sync, fence) = (Arc::clone(&self.handler.sync), run.fence.clone());
        let task = async move { sync.sync(&request, &scope).await };
        let ended = within(self.time.stop, &[fence], task).await;
        let result = match ended {
            Ended::Done(Ok(Synced::Staged(outcome, test))) => {
                let span = Span::current();
                return Step::Staged(Box::new(Staged { group, failures, run, outcome, test, span }));
            }
            Ended::Done(Ok(Synced::Done(outcome))) | Ended::Stopped(Some(Ok(Synced::Done(outcome)))) => {
                return Step::Ended(self.finish(group, failures, &run, outcome).await);
            }
            Ended::Done(Err(error)) => Err(failure(&error)),
            // what was begun has ended, so the test can be let go, with what is written
            Ended::Stopped(Some(_)) => match run.progress_if_stopped() {
                Some(progress) => self.in_time_to_end(coordinator.pause(&run, &progress, self.queue)).await,
                None => Err(out_of_time()),
            },
            Ended::Stopped(None) => {
                let failure = self.held(out_of_time());
                return Step::Ended(self.failed(group, failures, failure).await);
            }
            Ended::Panicked(error) => Err(Failure::short("sync_panicked", error)),
        };
        match result {
            Ok(depth) => {
                self.note_follow_up(&group, depth).await;
                self.handler.listener.paused(&group.request.target).await;
                Step::Ended(GroupResult { failures, ..GroupResult::default() })
            }
            Err(failure) => {
                let failure = self.patient(&run.state, failure);
                let failure = self.let_go(&group, &run, failure).await;
                Step::Ended(self.failed(group, failures, failure).await)
            }
        }
    }

    /// Ends the run of messages that come again, or are parked.
    async fn let_go(&self, group: &Group, run: &Run, failure: Failure) -> Failure {
        let ended = async {
            let why = early::as_stored(group, self.messages, self.queue, &failure).await;
            self.handler.coordinator.fail(run, why, self.queue).await
        };
        let untold = match timeout_at(self.time.end, ended).await {
            Ok(Ok(_) | Err(SyncError::TakenOver { .. })) => return failure,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::warn!(
            session_id = run.key.session_id,
            generation = run.hold.generation,
            error = untold,
            "the failed run's lease is left to run out"
        );
        self.held(failure)
    }

    /// While a lease may be held, others join it, counting on its message to be in the queue.
    fn held(&self, failure: Failure) -> Failure {
        Failure { held: Some(Held::LeaseLeft(self.handler.coordinator.lease())), ..failure }
    }

    async fn finish(
        &self,
        group: Group,
        failures: Vec<(usize, Failure)>,
        run: &Run,
        outcome: SyncOutcome,
    ) -> GroupResult {
        let finished = self.handler.coordinator.finish(run, &outcome, self.queue);
        match self.in_time_to_end(finished).await {
            Ok(depth) => {
                self.note_follow_up(&group, depth).await;
                self.handler.listener.finished(&outcome).await;
                GroupResult { failures, synced: true, absorbed: 0 }
            }
            Err(failure) if failure.code == LEASE_LOST => self.failed(group, failures, failure).await,
            Err(failure) => {
                let failure = self.let_go(&group, run, failure).await;
                self.failed(group, failures, failure).await
            }
        }
    }

    async fn note_follow_up(&self, group: &Group, follow_up: Option<u32>) {
        if let Some(depth) = follow_up {
            self.handler.listener.followed_up(&group.request.target, depth).await;
        }
    }

    async fn absorbed(&self, group: &Group, failures: Vec<(usize, Failure)>, how: Absorbed) -> Step {
        let come_again: HashSet<usize> = failures.iter().map(|(place, _)| *place).collect();
        let absorbed = group.members.len() - come_again.len();
        if absorbed > 0 {
            self.handler.listener.absorbed(&group.request.target, how, absorbed).await;
        }
        Step::Ended(GroupResult { failures, synced: false, absorbed })
    }

    /// A failure that came before the lease was taken, or could not be: the state tells of it.
    async fn failed_early(&self, group: Group, failure: Failure) -> GroupResult {
        early::failed(self.handler, group, self.messages, self.queue, self.time, failure).await
    }

    fn patient(&self, state: &SyncState, failure: Failure) -> Failure {
        let (sink, now) = (self.handler.coordinator.sink(), self.handler.clock.now());
        early::after_outage(state, sink, now, failure)
    }

    async fn failed(&self, group: Group, failures: Vec<(usize, Failure)>, failure: Failure) -> GroupResult {
        self.handler.listener.failed(&group.request.target, &failure).await;
        GroupResult::failed(&group, failures, &failure)
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, SyncError>>) -> Result<T, Failure> {
        let now = Instant::now();
        if now >= self.time.last_stop {
            let late = "too little of the function's time was left to begin".to_owned();
            return Err(Failure::transient(NOT_STARTED, late));
        }
        // a call that hangs must not eat what is kept for the commit
        let until = self.time.stop.max(now + DECISION).min(self.time.last_stop);
        match timeout_at(until, work).await {
            Ok(done) => done.map_err(|error| failure(&error)),
            Err(_) => Err(out_of_time()),
        }
    }

    async fn in_time_to_end<T>(
        &self,
        work: impl Future<Output = Result<T, SyncError>>,
    ) -> Result<T, Failure> {
        match timeout_at(self.time.end, work).await {
            Ok(done) => done.map_err(|error| failure(&error)),
            Err(_) => Err(out_of_time()),
        }
    }
}

impl GroupResult {
    /// Whatever else is wrong with a message, that its test failed is told first: others may have joined it.
    pub fn failed(group: &Group, failures: Vec<(usize, Failure)>, failure: &Failure) -> Self {
        let of_test = group.members.iter().map(|member| (member.place, failure.clone()));
        Self { failures: of_test.chain(failures).collect(), ..Self::default() }
    }
}

fn failure(error: &SyncError) -> Failure {
    let (code, text) = (error.code(), error.to_string());
    let held = matches!(error, SyncError::LeaseUnsure { .. }).then_some(Held::LeaseLeft(Duration::ZERO));
    Failure { code, error: text, patience: error.patience(), held }
}

fn out_of_time() -> Failure {
    Failure::transient(OUT_OF_TIME, "the sync was stopped near the function's deadline".into())
}

/// The message that another run stands on comes back when that run's lease is over, unless it is done by then.
fn under_way(left: Duration) -> Failure {
    let error = "another invocation is still at the sync that this message asks for".to_owned();
    Failure { held: Some(Held::UnderWay(left)), ..Failure::transient("sync_under_way", error) }
}
