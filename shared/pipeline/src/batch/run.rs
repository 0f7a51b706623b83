use std::sync::Arc;

use futures::{StreamExt, stream};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::BatchHandler;
use super::groups::Group;
use crate::error::SyncError;
use crate::listener::Failure;
use crate::outcome::SyncOutcome;
use crate::sync::{SyncBatch, Synced};

const NOT_STARTED: &str = "not_started";

/// Each group with how its test's sync ended.
pub(super) type Results = Vec<(Group, Result<(), Failure>)>;

/// How far a group has come.
enum Step {
    Ended(Result<(), Failure>),
    Staged(Box<SyncOutcome>),
}

/// Syncs the groups' tests, a few at a time, then commits what they have staged. One that fails, panics or
/// runs out of time fails alone.
pub(super) async fn run(handler: &BatchHandler, groups: Vec<Group>, deadline: Instant) -> Results {
    if groups.is_empty() {
        return Results::new();
    }
    let limits = &handler.limits;
    let batch = match handler.sync.begin() {
        Ok(batch) => batch,
        Err(error) => return groups.into_iter().map(|group| (group, Err(failure(&error)))).collect(),
    };
    let stop = before(deadline, limits.stop_reserve + limits.commit_reserve);
    let last_start = before(deadline, limits.start_reserve + limits.commit_reserve);
    let steps: Vec<(Group, Step)> = stream::iter(groups)
        .map(|group| {
            let batch = Arc::clone(&batch);
            async move {
                let step = if Instant::now() > last_start {
                    let late = "too little of the function's time was left to begin".to_owned();
                    Step::Ended(Err(temporary(NOT_STARTED, late)))
                } else {
                    one(handler, batch, &group, stop).await
                };
                (group, step)
            }
        })
        .buffer_unordered(limits.concurrency.max(1))
        .collect()
        .await;
    let results = commit(handler, batch, steps, before(deadline, limits.stop_reserve)).await;
    let late = results.iter().filter(|(_, it)| it.as_ref().is_err_and(|it| it.code == NOT_STARTED)).count();
    if late > 0 {
        tracing::warn!(tests = late, "tests not begun: too little of the function's time was left");
    }
    results
}

async fn one(handler: &BatchHandler, batch: Arc<dyn SyncBatch>, group: &Group, stop: Instant) -> Step {
    let request = group.request.clone();
    let step = match within(stop, async move { batch.sync(&request).await }).await {
        Ok(Ok(Synced::Staged(outcome))) => return Step::Staged(Box::new(outcome)),
        Ok(Ok(Synced::Done(outcome))) => Ok(outcome),
        Ok(Err(error)) => Err(failure(&error)),
        Err(failure) => Err(failure),
    };
    Step::Ended(tell(handler, group, step).await)
}

async fn commit(
    handler: &BatchHandler,
    batch: Arc<dyn SyncBatch>,
    steps: Vec<(Group, Step)>,
    stop: Instant,
) -> Results {
    let mut results = Results::with_capacity(steps.len());
    let (mut groups, mut staged) = (Vec::new(), Vec::new());
    for (group, step) in steps {
        match step {
            Step::Ended(result) => results.push((group, result)),
            Step::Staged(outcome) => {
                groups.push(group);
                staged.push(*outcome);
            }
        }
    }
    if staged.is_empty() {
        return results;
    }
    let committed = within(stop, async move { batch.commit(staged).await }).await;
    let (mut committed, missing) = match committed {
        Ok(committed) => (committed.into_iter(), None),
        Err(failure) => (Vec::new().into_iter(), Some(failure)),
    };
    for group in groups {
        let result = match committed.next() {
            Some(result) => result.map_err(|error| failure(&error)),
            None => Err(missing.clone().unwrap_or_else(|| {
                temporary("sync_panicked", "the commit said nothing of this test".to_owned())
            })),
        };
        let result = tell(handler, &group, result).await;
        results.push((group, result));
    }
    results
}

async fn tell(
    handler: &BatchHandler,
    group: &Group,
    result: Result<SyncOutcome, Failure>,
) -> Result<(), Failure> {
    match &result {
        Ok(outcome) => handler.listener.finished(outcome).await,
        Err(failure) => handler.listener.failed(&group.request.target, failure).await,
    }
    result.map(|_| ())
}

/// What a task of its own comes to, unless it panics or is stopped.
async fn within<T: Send + 'static>(
    stop: Instant,
    task: impl Future<Output = T> + Send + 'static,
) -> Result<T, Failure> {
    let task = tokio::spawn(task);
    let _stop_with_the_batch = AbortOnDrop(task.abort_handle());
    match timeout_at(stop, task).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(crash)) => Err(temporary("sync_panicked", format!("the sync broke down: {crash}"))),
        Err(_) => Err(temporary("out_of_time", "the sync was stopped near the function's deadline".into())),
    }
}

fn failure(error: &SyncError) -> Failure {
    Failure { code: error.code(), error: error.to_string(), permanent: error.is_permanent() }
}

/// A task whose batch is gone must not go on writing.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn temporary(code: &'static str, error: String) -> Failure {
    Failure { code, error, permanent: false }
}

fn before(deadline: Instant, reserve: std::time::Duration) -> Instant {
    deadline.checked_sub(reserve).unwrap_or_else(Instant::now)
}
