//! A task with a deadline: it is stopped by its fences first, then aborted.

use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument;

use crate::ports::Fence;

/// The time in which a stopped task can end a request that is under way.
const GRACE: Duration = Duration::from_secs(2);

pub(super) enum TaskEnd<T> {
    Done(T),
    /// The deadline was reached. `None` if the task did not end in time and was aborted.
    Stopped(Option<T>),
    Panicked(String),
}

/// Runs a task until `stop`, then revokes its fences, waits a little, and aborts the task.
pub(super) async fn run_until<T: Send + 'static>(
    stop: Instant,
    fences: &[Fence],
    task: impl Future<Output = T> + Send + 'static,
) -> TaskEnd<T> {
    let mut task = tokio::spawn(task.in_current_span());
    let _stop_with_the_batch = AbortOnDrop(task.abort_handle());
    if let Ok(ended) = timeout_at(stop, &mut task).await {
        return match ended {
            Ok(done) => TaskEnd::Done(done),
            Err(crash) => TaskEnd::Panicked(format!("the sync broke down: {crash}")),
        };
    }
    fences.iter().for_each(Fence::revoke);
    if let Ok(ended) = timeout(GRACE, &mut task).await {
        return TaskEnd::Stopped(ended.ok());
    }
    task.abort();
    TaskEnd::Stopped(task.await.ok())
}

/// Aborts a task when its batch is dropped, so that the task writes nothing more.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
