use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use quiz_domain::reports::Stamp;
use quiz_domain::{AttemptResults, Quiz, SessionResult, TestSession};
use quiz_events::Sink;
use quiz_local::{file_name, remove_former};
use quiz_pipeline::{ReportSink, ResultSink, RunScope, SessionWriter, SinkCounts, SinkError};

use crate::{overview, view};

/// The ranks that the terminal shows of each test session.
const TOP: usize = 10;

/// The reports sink of an embedded run. After the reports it also writes the page `overview/<session>.html` and collects a
/// table of the top ranks.
#[derive(Clone)]
pub struct Presenting {
    pub sink: ReportSink,
    pub overviews: PathBuf,
    pub tables: Arc<Mutex<Vec<TopRanks>>>,
}

/// The table of one test session, ready to print.
#[derive(Clone, Debug)]
pub struct TopRanks {
    pub session_id: String,
    pub table: String,
    pub page: PathBuf,
    /// A user from the middle of the ranking, whose report is a good example.
    pub example_user: Option<String>,
}

impl ResultSink for Presenting {
    fn sink(&self) -> Sink {
        self.sink.sink()
    }

    fn writer(
        &self,
        _quiz: &Quiz,
        _session: &TestSession,
        _scope: &RunScope,
    ) -> Result<Box<dyn SessionWriter>, SinkError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl SessionWriter for Presenting {
    fn wants_attempts(&self) -> bool {
        self.sink.wants_attempts()
    }

    async fn finish(
        self: Box<Self>,
        test: &SessionResult,
        stamp: Stamp,
        scope: &RunScope,
    ) -> Result<SinkCounts, SinkError> {
        let counts = Box::new(self.sink.clone()).finish(test, stamp, scope).await?;
        let page = self.overviews.join(format!("{}.html", file_name(&test.session.session_id)));
        let failed = |cause: std::io::Error| SinkError::Output {
            what: page.display().to_string(),
            cause: cause.into(),
        };
        tokio::fs::create_dir_all(&self.overviews).await.map_err(failed)?;
        remove_former(&self.overviews, &test.session.session_id, "html").map_err(failed)?;
        tokio::fs::write(&page, overview::render(test)).await.map_err(failed)?;
        let table = view::top_ranks(test, TOP);
        let shown = TopRanks {
            session_id: test.session.session_id.clone(),
            table,
            example_user: example_user(test),
            page,
        };
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.retain(|known| known.session_id != shown.session_id);
        tables.push(shown);
        Ok(counts)
    }
}

fn example_user(test: &SessionResult) -> Option<String> {
    match &test.results {
        AttemptResults::Scored { attempts, rankings, .. } => {
            let mut ranked: Vec<_> = rankings
                .first()?
                .standings()
                .zip(attempts)
                .filter_map(|(standing, attempt)| Some((standing?.rank, &attempt.user_id)))
                .collect();
            ranked.sort();
            ranked.get(ranked.len() / 2).map(|(_, user)| (*user).clone())
        }
        AttemptResults::Form(attempts) => attempts.first().map(|attempt| attempt.user_id.clone()),
    }
}
