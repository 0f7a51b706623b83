//! The joint commit of the test sessions that a batch has staged.

use tracing::Instrument;

use super::task::{TaskEnd, run_until};
use super::{BatchEnd, BatchRun, Staged, Step, failure_from, out_of_time};
use crate::error::SyncError;
use crate::listener::Failure;
use crate::ports::{StagedSession, WarehouseError};
use crate::sink::SinkError;
use crate::stopwatch::Stopwatch;

impl BatchRun<'_> {
    /// Commits the staged test sessions together, and ends each run by its own result.
    pub(super) async fn commit(&self, steps: Vec<Step>) -> BatchEnd {
        let mut results = Vec::with_capacity(steps.len());
        let (mut staged, mut isolated) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Ended(result) => results.push(result),
                Step::Staged(session) => staged.push(*session),
                Step::Isolated(suspect) => isolated.push(*suspect),
            }
        }
        if staged.is_empty() {
            return BatchEnd { results, isolated };
        }
        let mut writing = Stopwatch::default();
        let committed = writing.time(self.replace(&staged)).await;
        if let Some(staging) = &self.staging {
            self.handler.listener.billed(staging.take_billed_bytes()).await;
        }
        // the results are in the order of the test sessions; a test session without a result gets the failure of the commit
        let (committed, missing, is_over) = match committed {
            TaskEnd::Done(committed) | TaskEnd::Stopped(Some(committed)) => {
                let error = "the commit returned no result for this test session".to_owned();
                (committed, Failure::short("sync_panicked", error), true)
            }
            TaskEnd::Panicked(error) => (Vec::new(), Failure::short("sync_panicked", error), true),
            TaskEnd::Stopped(None) => (Vec::new(), out_of_time(), false),
        };
        let now = self.handler.clock.now();
        let mut committed = committed.into_iter();
        for Staged { group, failures, run, outcome, span, .. } in staged {
            let failure = match committed.next() {
                Some(Ok(())) => None,
                Some(Err(error)) => Some(failure_from(&SyncError::from(SinkError::from(error)))),
                None => Some(missing.clone()),
            };
            let ended = async {
                match failure {
                    None => {
                        let outcome = outcome.committed(now, writing.total);
                        self.finish(group, failures, &run, outcome).await
                    }
                    Some(failure) => {
                        let failure = if is_over {
                            self.release(&group, &run, failure).await
                        } else {
                            self.hold_for_lease(failure)
                        };
                        self.fail(group, failures, failure).await
                    }
                }
            };
            results.push(ended.instrument(span).await);
        }
        BatchEnd { results, isolated }
    }

    async fn replace(&self, staged: &[Staged]) -> TaskEnd<Vec<Result<(), WarehouseError>>> {
        let fences: Vec<_> = staged.iter().map(|staged| staged.run.fence.clone()).collect();
        let sessions: Vec<StagedSession> = staged.iter().map(|staged| staged.session.clone()).collect();
        let staging = self.staging.clone();
        let replace = async move {
            match staging {
                Some(staging) => staging.replace(&sessions).await,
                None => Vec::new(),
            }
        };
        run_until(self.time.last_stop, &fences, replace).await
    }
}
