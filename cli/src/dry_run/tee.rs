use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use indicatif::ProgressBar;
use quiz_domain::reports::Stamp;
use quiz_domain::{JudgedAttempt, Quiz, SessionResult, TestSession};
use quiz_events::Sink;
use quiz_pipeline::ports::WarehouseBatch;
use quiz_pipeline::{ResultSink, RunScope, SessionWriter, SinkCounts, SinkError};

/// Feeds both sinks, or only `reports`, from one read. An error of the warehouse does not stop the reports.
#[derive(Clone)]
pub struct Tee {
    pub reports: Arc<dyn ResultSink>,
    pub rows: Option<RowsSink>,
    /// Counts the attempts.
    pub taken: ProgressBar,
}

#[derive(Clone)]
pub struct RowsSink {
    pub sink: Arc<dyn ResultSink>,
    pub failure: RowsFailure,
}

/// The first error of the warehouse.
#[derive(Clone, Debug, Default)]
pub struct RowsFailure(Arc<Mutex<Option<SinkError>>>);

impl RowsFailure {
    pub fn take(&self) -> Option<SinkError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep<T>(&self, result: Result<T, SinkError>) -> Option<T> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        result.map_err(|error| kept.get_or_insert(error)).ok()
    }
}

impl ResultSink for Tee {
    fn sink(&self) -> Sink {
        self.reports.sink()
    }

    fn begin(&self) -> Result<Option<Arc<dyn WarehouseBatch>>, SinkError> {
        self.rows.as_ref().map_or(Ok(None), |rows| rows.sink.begin())
    }

    fn writer(
        &self,
        quiz: &Quiz,
        session: &TestSession,
        scope: &RunScope,
    ) -> Result<Box<dyn SessionWriter>, SinkError> {
        let rows = match &self.rows {
            Some(rows) => Some((rows.sink.writer(quiz, session, scope)?, rows.failure.clone())),
            None => None,
        };
        let reports = self.reports.writer(quiz, session, scope)?;
        Ok(Box::new(TeeWriter { reports, rows, taken: self.taken.clone() }))
    }
}

struct TeeWriter {
    reports: Box<dyn SessionWriter>,
    /// `None` after an error.
    rows: Option<(Box<dyn SessionWriter>, RowsFailure)>,
    taken: ProgressBar,
}

#[async_trait]
impl SessionWriter for TeeWriter {
    async fn take(&mut self, quiz: &Quiz, attempt: &JudgedAttempt) -> Result<(), SinkError> {
        self.taken.inc(1);
        if let Some((mut rows, failure)) = self.rows.take() {
            let taken = failure.keep(rows.take(quiz, attempt).await);
            self.rows = taken.map(|()| (rows, failure));
        }
        self.reports.take(quiz, attempt).await
    }

    async fn finish(
        self: Box<Self>,
        test: &SessionResult,
        stamp: Stamp,
        scope: &RunScope,
    ) -> Result<SinkCounts, SinkError> {
        if let Some((rows, failure)) = self.rows {
            // staging counts the rows; a dry run commits nothing
            failure.keep(rows.finish(test, stamp, scope).await);
        }
        self.reports.finish(test, stamp, scope).await
    }
}
