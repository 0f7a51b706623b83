use std::sync::Arc;

use async_trait::async_trait;
use quiz_domain::reports::Stamp;
use quiz_domain::rows::{self, QuestionRows, RowBatch, WarehouseTable};
use quiz_domain::{JudgedAttempt, Quiz, QuizKind, SessionResult, TestSession};

use quiz_events::Sink;

use crate::ports::{StagedSession, Warehouse, WarehouseBatch, WarehouseError};
use crate::scope::RunScope;
use crate::sink::{ResultSink, SessionWriter, SinkCounts, SinkError};

/// How many rows are encoded as one: they, and as many again for each core, are what lies in memory of one test beside its
/// results.
const ROW_GROUP: usize = 16_384;

/// Writes a test's rows, question by question as the attempts are scored, and replaces those that the
/// warehouse had of its session.
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
        let none = || WarehouseError::unavailable("stage rows", "the batch has no staging area");
        let batch = scope.staging.clone().ok_or_else(none)?;
        let table = if quiz.kind == QuizKind::Form {
            WarehouseTable::FormResponses
        } else {
            WarehouseTable::QuestionResponses
        };
        Ok(Box::new(Writer {
            stage: Stage {
                batch,
                session_id: session.session_id.clone(),
                rows: RowBatch::new(table),
                written: 0,
            },
            questions: QuestionRows::new(quiz, &session.session_id),
        }))
    }
}

struct Writer {
    stage: Stage,
    questions: QuestionRows,
}

#[async_trait]
impl SessionWriter for Writer {
    async fn take(&mut self, quiz: &Quiz, taken: &JudgedAttempt) -> Result<(), SinkError> {
        let session_id = &self.stage.session_id;
        if quiz.kind == QuizKind::Form {
            rows::append_form(quiz, session_id, &taken.attempt, &mut self.stage.rows);
        } else {
            self.questions.append(quiz, taken, &mut self.stage.rows);
        }
        self.stage.flush_if_full().await
    }

    async fn finish(
        mut self: Box<Self>,
        test: &SessionResult,
        stamp: Stamp,
        scope: &RunScope,
    ) -> Result<SinkCounts, SinkError> {
        let start_date = rows::start_date(test, stamp).map_err(WarehouseError::from)?;
        self.stage.turn_to(WarehouseTable::TestResponses).await?;
        for row in rows::section_rows(test, stamp) {
            row.append(&mut self.stage.rows);
            self.stage.flush_if_full().await?;
        }
        self.stage.flush().await?;
        let staged = StagedSession {
            session_id: self.stage.session_id,
            start_date,
            inserted_at: stamp.written_at,
            fence: scope.fence.clone(),
        };
        Ok(SinkCounts { written: self.stage.written, staged: Some(staged), ..SinkCounts::default() })
    }
}

/// The rows of one test that are not encoded yet.
struct Stage {
    batch: Arc<dyn WarehouseBatch>,
    session_id: String,
    rows: RowBatch,
    written: u64,
}

impl Stage {
    async fn turn_to(&mut self, table: WarehouseTable) -> Result<(), SinkError> {
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
