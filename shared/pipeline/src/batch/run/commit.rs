use tracing::Instrument;

use super::task::{Ended, within};
use super::{BatchEnd, Staged, Step, Turn, failure, out_of_time};
use crate::error::SyncError;
use crate::listener::Failure;
use crate::ports::{StagedSession, WarehouseError};
use crate::sink::SinkError;
use crate::stopwatch::Stopwatch;

impl Turn<'_> {
    /// Writes together the test sessions that are staged, and settles each by its own result.
    pub(super) async fn commit(&self, steps: Vec<Step>) -> BatchEnd {
        let mut results = Vec::with_capacity(steps.len());
        let (mut staged, mut isolated) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Ended(result) => results.push(result),
                Step::Staged(it) => staged.push(*it),
                Step::Isolated(suspect) => isolated.push(*suspect),
            }
        }
        if staged.is_empty() {
            return BatchEnd { results, isolated };
        }
        let mut writing = Stopwatch::default();
        let committed = writing.time(self.replace(&staged)).await;
        // the results are in the order of the tests; a test session without one gets what became of the commit
        let (committed, missing, is_over) = match committed {
            Ended::Done(committed) | Ended::Stopped(Some(committed)) => {
                let silent = "the commit said nothing of this test".to_owned();
                (committed, Failure::short("sync_panicked", silent), true)
            }
            Ended::Panicked(error) => (Vec::new(), Failure::short("sync_panicked", error), true),
            Ended::Stopped(None) => (Vec::new(), out_of_time(), false),
        };
        let now = self.handler.clock.now();
        let mut committed = committed.into_iter();
        for Staged { group, failures, run, outcome, span, .. } in staged {
            let failure = match committed.next() {
                Some(Ok(())) => None,
                Some(Err(error)) => Some(failure(&SyncError::from(SinkError::from(error)))),
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
                            self.let_go(&group, &run, failure).await
                        } else {
                            self.held(failure)
                        };
                        self.failed(group, failures, failure).await
                    }
                }
            };
            results.push(ended.instrument(span).await);
        }
        BatchEnd { results, isolated }
    }

    async fn replace(&self, staged: &[Staged]) -> Ended<Vec<Result<(), WarehouseError>>> {
        let fences: Vec<_> = staged.iter().map(|it| it.run.fence.clone()).collect();
        let tests: Vec<StagedSession> = staged.iter().map(|it| it.test.clone()).collect();
        // nothing is staged without a staging area
        let staging = self.staging.clone();
        let replace = async move {
            match staging {
                Some(staging) => staging.replace(&tests).await,
                None => Vec::new(),
            }
        };
        within(self.time.last_stop, &fences, replace).await
    }
}
