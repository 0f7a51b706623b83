use std::collections::HashSet;
use std::sync::Arc;

use indicatif::ProgressBar;
use quiz_domain::reports::ReportFormats;
use quiz_events::{SessionDescription, SessionTarget};
use quiz_pipeline::ports::{AnswerSource, Clock, ReportReader};
use quiz_pipeline::{Engine, ReportSink, RunScope, SessionRequest, SyncError, WarehouseSink};

use crate::dry_run::comparing::{CanHold, ComparingStore};
use crate::dry_run::counting::CountingWarehouse;
use crate::dry_run::difference::SessionDifference;
use crate::dry_run::failure::Failure;
use crate::dry_run::tee::{RowsFailure, RowsSink, Tee};

/// The largest changes shown of each kind.
const LARGEST: usize = 5;

/// The sources of a dry run, and the settings of the real run that it predicts.
#[derive(Clone)]
pub struct DryRun {
    pub source: Arc<dyn AnswerSource>,
    pub reports: Arc<dyn ReportReader>,
    pub formats: ReportFormats,
    /// Whether the store of the real run accepts an item.
    pub can_hold: CanHold,
    /// Whether to count the rows of the warehouse too.
    pub warehouse: bool,
    pub excluded_users: HashSet<String>,
    pub clock: Arc<dyn Clock>,
    /// Whether the real run is forced and rewrites unchanged items.
    pub rewrite: bool,
}

/// One test session of a dry run.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionToTry {
    pub target: SessionTarget,
    /// The newest known description, as in a real run.
    pub description: Option<SessionDescription>,
}

impl DryRun {
    /// Reads, scores and ranks one test session, and compares the result with the stored reports.
    ///
    /// # Errors
    /// [`SyncError`] as in a real run, or stored reports that cannot be read.
    pub async fn test(&self, test: &SessionToTry) -> Result<SessionDifference, SyncError> {
        self.counting(test, &ProgressBar::hidden()).await
    }

    /// Does the same, and counts the attempts in `taken`.
    pub(crate) async fn counting(
        &self,
        test: &SessionToTry,
        taken: &ProgressBar,
    ) -> Result<SessionDifference, SyncError> {
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
            Some(error) => Err(Failure::from_error(&error.into())),
            None => Ok(rows.rows()),
        });
        Ok(SessionDifference {
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
