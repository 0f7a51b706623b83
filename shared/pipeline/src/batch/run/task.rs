use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument;

use crate::ports::Fence;

/// What a task that is told to stop has to end what it has begun: a request that is under way.
const GRACE: Duration = Duration::from_secs(2);

pub(super) enum Ended<T> {
    Done(T),
    /// It was told to stop. `None` where it did not end by itself, and was cut off.
    Stopped(Option<T>),
    Panicked(String),
}

/// A task of its own, told to stop by its fences at `stop`.
pub(super) async fn within<T: Send + 'static>(
    stop: Instant,
    fences: &[Fence],
    task: impl Future<Output = T> + Send + 'static,
) -> Ended<T> {
    let mut task = tokio::spawn(task.in_current_span());
    let _stop_with_the_batch = AbortOnDrop(task.abort_handle());
    if let Ok(ended) = timeout_at(stop, &mut task).await {
        return match ended {
            Ok(done) => Ended::Done(done),
            Err(crash) => Ended::Panicked(format!("the sync broke down: {crash}")),
        };
    }
    fences.iter().for_each(Fence::revoke);
    if let Ok(ended) = timeout(GRACE, &mut task).await {
        return Ended::Stopped(ended.ok());
    }
    task.abort();
    Ended::Stopped(task.await.ok())
}

/// A task whose batch is gone must not go on writing.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
