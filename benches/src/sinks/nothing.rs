use std::sync::Arc;

use async_trait::async_trait;
use quiz_domain::reports::Stamp;
use quiz_domain::{Quiz, TakenAttempt, Test, TestSession};
use quiz_events::Sink;
use quiz_pipeline::{ResultSink, RunScope, SinkBatch, SinkCounts, SinkError, TestWriter};

/// Takes the ranked result and does nothing with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl ResultSink for Nothing {
    fn sink(&self) -> Sink {
        Sink::Reports
    }

    fn begin(&self) -> Result<Arc<dyn SinkBatch>, SinkError> {
        Ok(Arc::new(*self))
    }
}

#[async_trait]
impl SinkBatch for Nothing {
    fn test(&self, _quiz: &Quiz, _session: &TestSession) -> Box<dyn TestWriter> {
        Box::new(*self)
    }

    fn commits_together(&self) -> bool {
        false
    }

    async fn commit(&self, session_ids: &[String]) -> Vec<Result<(), SinkError>> {
        session_ids.iter().map(|_| Ok(())).collect()
    }
}

#[async_trait]
impl TestWriter for Nothing {
    fn wants_attempts(&self) -> bool {
        false
    }

    async fn take(&mut self, _quiz: &Quiz, _attempt: &TakenAttempt) -> Result<(), SinkError> {
        Ok(())
    }

    async fn finish(
        self: Box<Self>,
        _test: &Test,
        _stamp: Stamp,
        _scope: &RunScope,
    ) -> Result<SinkCounts, SinkError> {
        Ok(SinkCounts::default())
    }
}
