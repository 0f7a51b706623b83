use std::collections::HashSet;
use std::sync::Arc;

use indicatif::ProgressBar;
use quiz_domain::reports::ReportFormats;
use quiz_events::{SessionDescription, SessionTarget};
use quiz_pipeline::ports::{AnswerSource, Clock, ReportReader};
use quiz_pipeline::{Engine, ReportSink, RunScope, SessionRequest, SyncError, WarehouseSink};

use crate::dry_run::comparing::{CanHold, ComparingStore};
use crate::dry_run::counting::CountingWarehouse;
use crate::dry_run::difference::TestDifference;
use crate::dry_run::failure::Failure;
use crate::dry_run::tee::{RowsFailure, RowsSink, Tee};

/// How many of the largest changes are told.
const LARGEST: usize = 5;

/// Where the answers and the stored reports are read, and what a real run would write.
#[derive(Clone)]
pub struct DryRun {
    pub source: Arc<dyn AnswerSource>,
    pub reports: Arc<dyn ReportReader>,
    pub formats: ReportFormats,
    /// What the store of the real run refuses.
    pub can_hold: CanHold,
    /// Whether the warehouse's rows are counted as well.
    pub warehouse: bool,
    pub excluded_users: HashSet<String>,
    pub clock: Arc<dyn Clock>,
    /// As of a forced sync: also what is unchanged would be written.
    pub rewrite: bool,
}

/// One test of a dry run.
#[derive(Clone, Debug, PartialEq)]
pub struct TestToTry {
    pub target: SessionTarget,
    /// The newest that is known, as the real run would have it.
    pub description: Option<SessionDescription>,
}

impl DryRun {
    /// Reads, scores and ranks one test, and compares the result with what is stored.
    ///
    /// # Errors
    /// [`SyncError`], as of a real run, or where stored reports cannot be read.
    pub async fn test(&self, test: &TestToTry) -> Result<TestDifference, SyncError> {
        self.counting(test, &ProgressBar::hidden()).await
    }

    /// The same; `taken` counts the attempts.
    pub(crate) async fn counting(
        &self,
        test: &TestToTry,
        taken: &ProgressBar,
    ) -> Result<TestDifference, SyncError> {
        let target = &test.target;
        let store = Arc::new(ComparingStore::new(Arc::clone(&self.reports), self.can_hold));
        let (rows, failure) = (CountingWarehouse::default(), RowsFailure::default());
        let rows_sink = || RowsSink {
            sink: Arc::new(WarehouseSink::new(Arc::new(rows.clone()))),
            failure: failure.clone(),
        };
        let tee = Tee {
            reports: Arc::new(ReportSink::new(store.clone(), self.formats)),
            rows: self.warehouse.then(rows_sink),
            taken: taken.clone(),
        };
        let source = Arc::clone(&self.source);
        let engine = Engine::new(source, Arc::new(tee), Arc::clone(&self.clock), self.excluded_users.clone());
        let request =
            SessionRequest { description: test.description.clone(), ..SessionRequest::new(target.clone()) };
        let now = self.clock.now();
        let scope = RunScope { rewrite: self.rewrite, ..RunScope::unfenced(now.as_millisecond(), now) };
        let outcome = engine.sync_alone(&request, scope).await?;
        let (reports, items, largest) = store.take().await.finish(LARGEST);
        let rows = self.warehouse.then(|| match failure.take() {
            Some(error) => Err(Failure::of(&error.into())),
            None => Ok(rows.rows()),
        });
        Ok(TestDifference {
            session_id: outcome.session_id,
            quiz_id: outcome.quiz_id,
            test_name: outcome.test_name,
            participants: outcome.participants,
            ranked: outcome.ranked,
            is_form: outcome.is_form,
            reports,
            items,
            largest,
            rows,
            problems: outcome.problems,
        })
    }
}
