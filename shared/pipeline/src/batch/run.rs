use std::sync::Arc;

use futures::{StreamExt, stream};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::BatchHandler;
use super::groups::Group;
use crate::engine::SessionSync;
use crate::listener::Failure;

const NOT_STARTED: &str = "not_started";

/// Each group with how its test's sync ended.
pub(super) type Results = Vec<(Group, Result<(), Failure>)>;

/// Syncs the groups' tests, a few at a time. One that fails, panics or runs out of time fails alone.
pub(super) async fn run(handler: &BatchHandler, groups: Vec<Group>, deadline: Instant) -> Results {
    let limits = &handler.limits;
    let last_start = before(deadline, limits.start_reserve);
    let stop = before(deadline, limits.stop_reserve);
    let results: Results = stream::iter(groups)
        .map(|group| async move {
            if Instant::now() > last_start {
                let late = "too little of the function's time was left to begin".to_owned();
                return (group, Err(temporary(NOT_STARTED, late)));
            }
            let result = one(handler, &group, stop).await;
            if let Err(failure) = &result {
                handler.listener.failed(&group.request.target, failure).await;
            }
            (group, result)
        })
        .buffer_unordered(limits.concurrency.max(1))
        .collect()
        .await;
    let late = results.iter().filter(|(_, it)| it.as_ref().is_err_and(|it| it.code == NOT_STARTED)).count();
    if late > 0 {
        tracing::warn!(tests = late, "tests not begun: too little of the function's time was left");
    }
    results
}

async fn one(handler: &BatchHandler, group: &Group, stop: Instant) -> Result<(), Failure> {
    let sync = Arc::clone(&handler.sync);
    let request = group.request.clone();
    let task = tokio::spawn(async move { SessionSync::sync(&*sync, &request).await });
    let _stop_with_the_batch = AbortOnDrop(task.abort_handle());
    match timeout_at(stop, task).await {
        Ok(Ok(Ok(outcome))) => {
            handler.listener.finished(&outcome).await;
            Ok(())
        }
        Ok(Ok(Err(error))) => {
            Err(Failure { code: error.code(), error: error.to_string(), permanent: error.is_permanent() })
        }
        Ok(Err(crash)) => Err(temporary("sync_panicked", format!("the sync broke down: {crash}"))),
        Err(_) => Err(temporary("out_of_time", "the sync was stopped near the function's deadline".into())),
    }
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
