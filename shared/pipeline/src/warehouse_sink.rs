use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use quiz_domain::reports::Stamp;
use quiz_domain::rows::{self, QuestionRows, RowBatch, WarehouseTable};
use quiz_domain::{Quiz, QuizKind, TakenAttempt, Test, TestSession};

use quiz_events::Sink;

use crate::ports::{StagedTest, Warehouse, WarehouseBatch, WarehouseError};
use crate::scope::RunScope;
use crate::sink::{ResultSink, SinkBatch, SinkCounts, SinkError, TestWriter};

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

    fn begin(&self) -> Result<Arc<dyn SinkBatch>, SinkError> {
        let batch = self.warehouse.begin()?;
        Ok(Arc::new(Batch { batch, staged: Arc::default() }))
    }
}

type StagedTests = Arc<Mutex<HashMap<String, StagedTest>>>;

struct Batch {
    batch: Arc<dyn WarehouseBatch>,
    staged: StagedTests,
}

#[async_trait]
impl SinkBatch for Batch {
    fn test(&self, quiz: &Quiz, session: &TestSession) -> Box<dyn TestWriter> {
        let table = if quiz.kind == QuizKind::Form {
            WarehouseTable::FormResponses
        } else {
            WarehouseTable::QuestionResponses
        };
        Box::new(Writer {
            stage: Stage {
                batch: Arc::clone(&self.batch),
                session_id: session.session_id.clone(),
                rows: RowBatch::new(table),
                written: 0,
            },
            questions: QuestionRows::new(quiz, &session.session_id),
            staged: Arc::clone(&self.staged),
        })
    }

    fn commits_together(&self) -> bool {
        true
    }

    async fn commit(&self, session_ids: &[String]) -> Vec<Result<(), SinkError>> {
        let mut staged = std::mem::take(&mut *self.staged.lock().unwrap_or_else(PoisonError::into_inner));
        let tests: Vec<Option<StagedTest>> = session_ids.iter().map(|id| staged.remove(id)).collect();
        let known: Vec<StagedTest> = tests.iter().flatten().cloned().collect();
        let mut results = self.batch.replace(&known).await.into_iter();
        let result = |test: Option<StagedTest>| match test.and_then(|_| results.next()) {
            Some(result) => result.map_err(SinkError::from),
            None => Err(WarehouseError::unavailable("write a test", "it was not staged").into()),
        };
        tests.into_iter().map(result).collect()
    }
}

struct Writer {
    stage: Stage,
    questions: QuestionRows,
    staged: StagedTests,
}

#[async_trait]
impl TestWriter for Writer {
    async fn take(&mut self, quiz: &Quiz, taken: &TakenAttempt) -> Result<(), SinkError> {
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
        test: &Test,
        stamp: Stamp,
        scope: &RunScope,
    ) -> Result<SinkCounts, SinkError> {
        let start_date = rows::start_date(test, stamp).map_err(WarehouseError::from)?;
        self.stage.turn_to(WarehouseTable::TestResponses).await?;
        for row in rows::test_rows(test, stamp) {
            row.append(&mut self.stage.rows);
            self.stage.flush_if_full().await?;
        }
        self.stage.flush().await?;
        let session_id = self.stage.session_id;
        let staged = StagedTest {
            session_id: session_id.clone(),
            start_date,
            inserted_at: stamp.written_at,
            fence: scope.fence.clone(),
        };
        self.staged.lock().unwrap_or_else(PoisonError::into_inner).insert(session_id, staged);
        Ok(SinkCounts { written: self.stage.written, ..SinkCounts::default() })
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
