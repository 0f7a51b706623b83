//! One pass over the groups of a batch: admit, sync and commit, within the function's time.
//!
//! Problem: some groups are covered or joined, some run for minutes, fail, panic or meet the deadline. Each group needs a
//! result of its own, and no lease may be left behind without need.
//!
//! Idea: a few groups at a time go through the same steps, each with a deadline: store the request, look for the
//! attempts of its completions, be admitted by the coordinator, sync. A sync that only stages its rows waits for the joint commit.
//!
//! - Each group ends with one [`GroupResult`], which settles its messages.
//! - A run that ends in this process gives its lease up. If that fails, its messages stay in the queue until the lease
//!   has expired, because other requests may have joined the run.
//! - A stopped task writes nothing after its fence is revoked.
//!
//! See docs/decisions/0008-sync-state.md and docs/decisions/0013-crashes.md.

mod commit;
mod task;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use quiz_events::{QueueMessage, SourceQueue};
use quiz_sync_state::SyncState;
use task::{TaskEnd, run_until};
use tokio::time::{Instant, timeout_at};
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use super::groups::{Group, Member};
use super::time::BatchTime;
use super::{BatchHandler, early, missing_attempts};
use crate::coordinator::{Admitted, Isolation, Run, Suspicion, TimeBudget};
use crate::error::{FOLLOW_UP_NOT_SENT, LEASE_LOST, SyncError};
use crate::listener::{Absorbed, Failure, Held};
use crate::outcome::SyncOutcome;
use crate::ports::{StagedSession, WarehouseBatch};
use crate::sync::Synced;

pub(super) const NOT_STARTED: &str = "not_started";
const OUT_OF_TIME: &str = "out_of_time";
/// The longest time for a decision about a test session, once the time for syncs is over.
const DECISION: Duration = Duration::from_secs(5);
/// A batch that began less than this ago has all of its time: no other invocation would have more.
const FRESH: Duration = Duration::from_secs(5);

/// The result of one group.
#[derive(Debug, Default)]
pub(super) struct GroupResult {
    /// By the message's place in the batch.
    pub failures: Vec<(usize, Failure)>,
    pub synced: bool,
    pub absorbed: usize,
}

/// The results of a batch's groups.
#[derive(Default)]
pub(super) struct BatchEnd {
    pub results: Vec<GroupResult>,
    /// Groups whose last run crashed: the caller runs or defers each alone.
    pub isolated: Vec<(Group, Suspicion)>,
}

impl BatchEnd {
    /// The results, and the isolated groups with the least suspect first: fewest crashed runs, then the latest start of
    /// the newest crashed run. The run that had lasted longest when its process died is the most likely cause.
    pub fn least_suspect_first(mut self) -> (Vec<GroupResult>, Vec<Group>) {
        self.isolated.sort_by_key(|(_, suspicion)| (suspicion.crashed_runs, Reverse(suspicion.began)));
        (self.results, self.isolated.into_iter().map(|(group, _)| group).collect())
    }
}

/// A test session that is read, scored and staged, and whose lease is still held.
struct Staged {
    group: Group,
    failures: Vec<(usize, Failure)>,
    run: Box<Run>,
    outcome: SyncOutcome,
    session: StagedSession,
    /// The log span of the test session.
    span: Span,
}

/// How far one group has come before the commit.
enum Step {
    Ended(GroupResult),
    Staged(Box<Staged>),
    Isolated(Box<(Group, Suspicion)>),
}

/// Syncs the groups, a few at a time, then commits the staged test sessions together. A group that fails, panics or runs
/// out of time fails alone.
pub(super) async fn run(
    handler: &BatchHandler,
    groups: Vec<Group>,
    messages: &[QueueMessage],
    queue: &dyn SourceQueue,
    time: BatchTime,
    isolation: Isolation,
) -> BatchEnd {
    if groups.is_empty() {
        return BatchEnd::default();
    }
    let staging = match handler.sync.begin() {
        Ok(staging) => staging,
        Err(error) => {
            let failure = failure_from(&error);
            let results = early::fail_all(handler, groups, messages, queue, time, &failure).await;
            return BatchEnd { results, ..BatchEnd::default() };
        }
    };
    let batch_run = BatchRun { handler, staging, messages, queue, time, isolation };
    let steps: Vec<Step> = stream::iter(groups)
        .map(|group| batch_run.run_group_in_span(group))
        .buffer_unordered(handler.limits.concurrency.max(1))
        .collect()
        .await;
    batch_run.commit(steps).await
}

/// One pass over the groups of a batch.
struct BatchRun<'a> {
    handler: &'a BatchHandler,
    /// The staging area until the commit; `None` if each test session is written alone.
    staging: Option<Arc<dyn WarehouseBatch>>,
    messages: &'a [QueueMessage],
    queue: &'a dyn SourceQueue,
    time: BatchTime,
    isolation: Isolation,
}

impl BatchRun<'_> {
    async fn run_group_in_span(&self, group: Group) -> Step {
        let session_id = group.request.target.session_id.clone();
        let span = info_span!(
            "test",
            session_id,
            sink = self.handler.coordinator.sink().as_str(),
            generation = Empty
        );
        self.run_group(group).instrument(span).await
    }

    async fn run_group(&self, mut group: Group) -> Step {
        let is_whole = self.time.began.elapsed() < FRESH;
        let message_of_member = |member: &Member| self.messages.get(member.place);
        let messages: Vec<&QueueMessage> = group.members.iter().filter_map(message_of_member).collect();
        let coordinator = &self.handler.coordinator;
        // store the request before MongoDB is queried: if MongoDB is down, the state shows the waiting test session
        let known = if group.names_users() {
            match self.in_time(coordinator.store_request(&group.request, &messages)).await {
                Ok(known) => Some(known),
                Err(failure) => return Step::Ended(self.fail(group, Vec::new(), failure).await),
            }
        } else {
            None
        };
        // find the completions whose attempt is missing
        let now = self.handler.clock.now();
        let missing = self.in_time(missing_attempts::find(&*self.handler.sync, &mut group, now)).await;
        let failures: Vec<(usize, Failure)> = match missing {
            Ok(failures) => {
                let extended = |failure| match &known {
                    Some(state) => self.extend_patience(state, failure),
                    None => failure,
                };
                failures.into_iter().map(|(place, failure)| (place, extended(failure))).collect()
            }
            Err(failure) => return Step::Ended(self.fail_early(group, failure).await),
        };
        // take the lease, or learn who serves the request
        let budget = TimeBudget {
            left: self.time.stop.saturating_duration_since(Instant::now()),
            is_whole,
            isolation: self.isolation,
            total: self.time.total(),
            least: self.handler.limits.start_reserve.saturating_sub(self.handler.limits.stop_reserve),
        };
        let admitted = coordinator.admit(&group.request, &messages, known, budget, self.queue);
        match self.in_time(admitted).await {
            Err(failure) => {
                let unsure = failure.code == OUT_OF_TIME || failure.held.is_some();
                let failure = if unsure { self.hold_for_lease(failure) } else { failure };
                if failure.code == FOLLOW_UP_NOT_SENT && !unsure {
                    let mut result = self.fail_early(group, failure).await;
                    result.failures.extend(failures);
                    return Step::Ended(result);
                }
                Step::Ended(self.fail(group, failures, failure).await)
            }
            Ok(Admitted::Run(run)) => self.sync_group(group, failures, run).await,
            Ok(Admitted::Covered) => self.absorb(&group, failures, Absorbed::Covered).await,
            Ok(Admitted::Isolate(suspicion)) if self.isolation == Isolation::Wait => {
                Step::Isolated(Box::new((group, suspicion)))
            }
            Ok(Admitted::Isolate(_)) => Step::Ended(self.fail(group, failures, out_of_time()).await),
            Ok(Admitted::Deferred { depth }) => {
                self.handler.listener.followed_up(&group.request.target, depth).await;
                self.absorb(&group, failures, Absorbed::Deferred).await
            }
            Ok(Admitted::Joined { keep: None }) => self.absorb(&group, failures, Absorbed::Joined).await,
            Ok(Admitted::Joined { keep: Some((id, left)) }) => {
                let kept = messages.iter().position(|message| message.message_id == id);
                let kept = kept.and_then(|at| group.members.get(at)).map(|member| member.place);
                let mut failures = failures;
                failures.extend(kept.map(|place| (place, under_way(left))));
                self.absorb(&group, failures, Absorbed::Joined).await
            }
        }
    }

    async fn sync_group(&self, group: Group, failures: Vec<(usize, Failure)>, mut run: Box<Run>) -> Step {
        Span::current().record("generation", run.holder.generation);
        let coordinator = &self.handler.coordinator;
        if let Err(failure) = self.in_time(coordinator.wait_until_readable(&mut run)).await {
            let failure = self.release(&group, &run, failure).await;
            return Step::Ended(self.fail(group, failures, failure).await);
        }
        let request = run.request(&group.request);
        let scope = run.scope(self.handler.clock.now(), self.staging.clone());
        let (sync, fence) = (Arc::clone(&self.handler.sync), run.fence.clone());
        let task = async move { sync.sync(&request, &scope).await };
        let ended = run_until(self.time.stop, &[fence], task).await;
        let result = match ended {
            TaskEnd::Done(Ok(Synced::Staged(outcome, session))) => {
                match self.in_time(coordinator.store_start_date(&run, session.start_date)).await {
                    Ok(()) => {
                        let span = Span::current();
                        return Step::Staged(Box::new(Staged {
                            group,
                            failures,
                            run,
                            outcome,
                            session,
                            span,
                        }));
                    }
                    Err(failure) => Err(failure),
                }
            }
            TaskEnd::Done(Ok(Synced::Done(outcome))) | TaskEnd::Stopped(Some(Ok(Synced::Done(outcome)))) => {
                return Step::Ended(self.finish(group, failures, &run, outcome).await);
            }
            TaskEnd::Done(Err(error)) => Err(failure_from(&error)),
            // no write is under way any more: give the lease up, and keep the progress
            TaskEnd::Stopped(Some(_)) => match run.progress_if_stopped() {
                Some(progress) => self.in_time_to_end(coordinator.pause(&run, &progress, self.queue)).await,
                None => Err(out_of_time()),
            },
            TaskEnd::Stopped(None) => {
                let failure = self.hold_for_lease(out_of_time());
                return Step::Ended(self.fail(group, failures, failure).await);
            }
            TaskEnd::Panicked(error) => Err(Failure::short("sync_panicked", error)),
        };
        match result {
            Ok(depth) => {
                self.report_follow_up(&group, depth).await;
                self.handler.listener.paused(&group.request.target).await;
                Step::Ended(GroupResult { failures, ..GroupResult::default() })
            }
            Err(failure) => {
                let failure = self.extend_patience(&run.state, failure);
                let failure = self.release(&group, &run, failure).await;
                Step::Ended(self.fail(group, failures, failure).await)
            }
        }
    }

    /// Ends a failed run and gives its lease up. If the end cannot be stored, the returned failure holds the messages
    /// until the lease has expired.
    async fn release(&self, group: &Group, run: &Run, failure: Failure) -> Failure {
        let ended = async {
            let why = early::to_run_failure(group, self.messages, self.queue, &failure).await;
            self.handler.coordinator.fail(run, why, self.queue).await
        };
        let error = match timeout_at(self.time.end, ended).await {
            Ok(Ok(_) | Err(SyncError::TakenOver { .. })) => return failure,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::warn!(
            session_id = run.key.session_id,
            generation = run.holder.generation,
            error,
            "the failed run's lease is left to run out"
        );
        self.hold_for_lease(failure)
    }

    /// Keeps the messages in the queue until the lease has expired: other requests may join the run until then.
    fn hold_for_lease(&self, failure: Failure) -> Failure {
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
                self.report_follow_up(&group, depth).await;
                self.handler.listener.finished(&outcome).await;
                GroupResult { failures, synced: true, absorbed: 0 }
            }
            Err(failure) if failure.code == LEASE_LOST => self.fail(group, failures, failure).await,
            Err(failure) => {
                let failure = self.release(&group, run, failure).await;
                self.fail(group, failures, failure).await
            }
        }
    }

    async fn report_follow_up(&self, group: &Group, follow_up: Option<u32>) {
        if let Some(depth) = follow_up {
            self.handler.listener.followed_up(&group.request.target, depth).await;
        }
    }

    async fn absorb(&self, group: &Group, failures: Vec<(usize, Failure)>, how: Absorbed) -> Step {
        let come_again: HashSet<usize> = failures.iter().map(|(place, _)| *place).collect();
        let absorbed = group.members.len() - come_again.len();
        if absorbed > 0 {
            self.handler.listener.absorbed(&group.request.target, how, absorbed).await;
        }
        Step::Ended(GroupResult { failures, synced: false, absorbed })
    }

    /// Fails a group before its lease is taken, and stores the failure in the sync state.
    async fn fail_early(&self, group: Group, failure: Failure) -> GroupResult {
        early::fail_group(self.handler, group, self.messages, self.queue, self.time, failure).await
    }

    fn extend_patience(&self, state: &SyncState, failure: Failure) -> Failure {
        let (sink, now) = (self.handler.coordinator.sink(), self.handler.clock.now());
        early::extend_patience_after_outage(state, sink, now, failure)
    }

    async fn fail(&self, group: Group, failures: Vec<(usize, Failure)>, failure: Failure) -> GroupResult {
        self.handler.listener.failed(&group.request.target, &failure).await;
        GroupResult::failed(&group, failures, &failure)
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, SyncError>>) -> Result<T, Failure> {
        let now = Instant::now();
        if now >= self.time.last_stop {
            let late = "too little of the function's time was left to begin".to_owned();
            return Err(Failure::transient(NOT_STARTED, late));
        }
        // a hanging call must not use the time of the commit
        let until = self.time.stop.max(now + DECISION).min(self.time.last_stop);
        match timeout_at(until, work).await {
            Ok(done) => done.map_err(|error| failure_from(&error)),
            Err(_) => Err(out_of_time()),
        }
    }

    async fn in_time_to_end<T>(
        &self,
        work: impl Future<Output = Result<T, SyncError>>,
    ) -> Result<T, Failure> {
        match timeout_at(self.time.end, work).await {
            Ok(done) => done.map_err(|error| failure_from(&error)),
            Err(_) => Err(out_of_time()),
        }
    }
}

impl GroupResult {
    /// The group's failure comes before the failures of single messages: other requests may have joined these messages.
    pub fn failed(group: &Group, failures: Vec<(usize, Failure)>, failure: &Failure) -> Self {
        let group_failures = group.members.iter().map(|member| (member.place, failure.clone()));
        Self { failures: group_failures.chain(failures).collect(), ..Self::default() }
    }
}

fn failure_from(error: &SyncError) -> Failure {
    let (code, text) = (error.code(), error.to_string());
    let held = matches!(error, SyncError::LeaseUnsure { .. }).then_some(Held::LeaseLeft(Duration::ZERO));
    Failure { code, error: text, patience: error.patience(), held }
}

fn out_of_time() -> Failure {
    Failure::transient(OUT_OF_TIME, "the sync was stopped near the function's deadline".into())
}

/// The failure of a message that is the anchor of another run: it returns when that run's lease expires, unless it is
/// deleted by then.
fn under_way(left: Duration) -> Failure {
    let error = "another invocation is still running the sync that this message requests".to_owned();
    Failure { held: Some(Held::UnderWay(left)), ..Failure::transient("sync_under_way", error) }
}
