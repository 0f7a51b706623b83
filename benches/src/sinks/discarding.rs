use async_trait::async_trait;
use quiz_domain::reports::Stamp;
use quiz_domain::{Quiz, SessionResult, TestSession};
use quiz_events::Sink;
use quiz_pipeline::{ResultSink, RunScope, SessionWriter, SinkCounts, SinkError};

/// A sink that discards the ranked result.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiscardingSink;

impl ResultSink for DiscardingSink {
    fn sink(&self) -> Sink {
        Sink::Reports
    }

    fn writer(
        &self,
        _quiz: &Quiz,
        _session: &TestSession,
        _scope: &RunScope,
    ) -> Result<Box<dyn SessionWriter>, SinkError> {
        Ok(Box::new(*self))
    }
}

#[async_trait]
impl SessionWriter for DiscardingSink {
    fn wants_attempts(&self) -> bool {
        false
    }

    async fn finish(
        self: Box<Self>,
        _result: &SessionResult,
        _stamp: Stamp,
        _scope: &RunScope,
    ) -> Result<SinkCounts, SinkError> {
        Ok(SinkCounts::default())
    }
}
