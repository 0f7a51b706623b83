use std::sync::Arc;

use async_trait::async_trait;
use quiz_domain::reports::Stamp;
use quiz_domain::rows::{self, QuestionRows, RowBatch, WarehouseTable};
use quiz_domain::{JudgedAttempt, Quiz, QuizKind, SessionResult, TestSession};

use quiz_events::Sink;

use crate::ports::{StagedSession, Warehouse, WarehouseBatch, WarehouseError};
use crate::scope::RunScope;
use crate::sink::{ResultSink, SessionWriter, SinkCounts, SinkError};

/// Rows encoded together. In addition to the results, memory holds these and as many again for each core.
const ROW_GROUP: usize = 16_384;

/// Stages the rows of a test session as its attempts are scored; the commit replaces the stored rows of the test session.
pub struct WarehouseSink {
    warehouse: Arc<dyn Warehouse>,
}

impl WarehouseSink {
    #[must_use]
    pub fn new(warehouse: Arc<dyn Warehouse>) -> Self {
        Self { warehouse }
    }
}

impl ResultSink for WarehouseSink {
    fn sink(&self) -> Sink {
        Sink::Warehouse
    }

    fn begin(&self) -> Result<Option<Arc<dyn WarehouseBatch>>, SinkError> {
        Ok(Some(self.warehouse.begin()?))
    }

    fn writer(
        &self,
        quiz: &Quiz,
        session: &TestSession,
        scope: &RunScope,
    ) -> Result<Box<dyn SessionWriter>, SinkError> {
        let missing = || WarehouseError::unavailable("stage rows", "the batch has no staging area");
        let batch = scope.staging.clone().ok_or_else(missing)?;
        let table = if quiz.kind == QuizKind::Form {
            WarehouseTable::FormResponses
        } else {
            WarehouseTable::QuestionResponses
        };
        Ok(Box::new(RowWriter {
            session: session.clone(),
            buffer: RowBuffer {
                batch,
                session_id: session.session_id.clone(),
                rows: RowBatch::new(table),
                written: 0,
            },
            questions: QuestionRows::new(quiz, &session.session_id),
        }))
    }
}

struct RowWriter {
    session: TestSession,
    buffer: RowBuffer,
    questions: QuestionRows,
}

#[async_trait]
impl SessionWriter for RowWriter {
    async fn take(&mut self, quiz: &Quiz, taken: &JudgedAttempt) -> Result<(), SinkError> {
        if quiz.kind == QuizKind::Form {
            rows::append_form(quiz, &self.session, &taken.attempt, &mut self.buffer.rows);
        } else {
            self.questions.append(quiz, taken, &mut self.buffer.rows);
        }
        self.buffer.flush_if_full().await
    }

    async fn finish(
        mut self: Box<Self>,
        test: &SessionResult,
        stamp: Stamp,
        scope: &RunScope,
    ) -> Result<SinkCounts, SinkError> {
        let start_date = rows::start_date(test, stamp).map_err(WarehouseError::from)?;
        self.buffer.switch_table(WarehouseTable::TestResponses).await?;
        for row in rows::section_rows(test, stamp) {
            row.append(&mut self.buffer.rows);
            self.buffer.flush_if_full().await?;
        }
        self.buffer.flush().await?;
        let staged = StagedSession {
            session_id: self.buffer.session_id,
            start_date,
            inserted_at: stamp.written_at,
            generation: stamp.generation,
            earlier_dates: scope.start_dates.known().cloned(),
            is_first: !scope.has_finished_before,
            quiz_made_on: test.quiz.made_on(),
            fence: scope.fence.clone(),
        };
        Ok(SinkCounts { written: self.buffer.written, staged: Some(staged), ..SinkCounts::default() })
    }
}

/// The rows of one test session that are not encoded yet.
struct RowBuffer {
    batch: Arc<dyn WarehouseBatch>,
    session_id: String,
    rows: RowBatch,
    written: u64,
}

impl RowBuffer {
    async fn switch_table(&mut self, table: WarehouseTable) -> Result<(), SinkError> {
        self.flush().await?;
        self.rows = RowBatch::new(table);
        Ok(())
    }

    async fn flush_if_full(&mut self) -> Result<(), SinkError> {
        if self.rows.len() >= ROW_GROUP { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let table = self.rows.table();
        let rows = std::mem::replace(&mut self.rows, RowBatch::new(table));
        self.written += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        Ok(self.batch.stage(&self.session_id, rows).await?)
    }
}
