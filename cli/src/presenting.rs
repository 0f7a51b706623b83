use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use quiz_domain::reports::Stamp;
use quiz_domain::{Test, TestResults};
use quiz_local::file_name;
use quiz_pipeline::{ResultSink, SinkCounts, SinkError};

use crate::{overview, view};

/// How many ranks the terminal shows of each test.
const TOP: usize = 10;

/// A sink that, once the reports are written, also makes what a person looks at: the page
/// `overview/<session>.html` and a table of the top ranks.
pub struct Presenting<S> {
    pub sink: S,
    pub overviews: PathBuf,
    pub tables: Mutex<Vec<TopRanks>>,
}

/// The table of one test, ready to print.
#[derive(Clone, Debug)]
pub struct TopRanks {
    pub session_id: String,
    pub table: String,
    pub page: PathBuf,
    /// Whose report makes a good example: one from the middle of the ranking.
    pub example_user: Option<String>,
}

#[async_trait]
impl<S: ResultSink> ResultSink for Presenting<S> {
    fn name(&self) -> &'static str {
        self.sink.name()
    }

    async fn write(&self, test: &Test, stamp: Stamp) -> Result<SinkCounts, SinkError> {
        let counts = self.sink.write(test, stamp).await?;
        let page = self.overviews.join(format!("{}.html", file_name(&test.session.session_id)));
        let failed = |cause: std::io::Error| SinkError::Output {
            what: page.display().to_string(),
            cause: cause.into(),
        };
        tokio::fs::create_dir_all(&self.overviews).await.map_err(failed)?;
        tokio::fs::write(&page, overview::render(test)).await.map_err(failed)?;
        let table = view::top_ranks(test, TOP);
        let shown = TopRanks {
            session_id: test.session.session_id.clone(),
            table,
            example_user: example(test),
            page,
        };
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.retain(|it| it.session_id != shown.session_id);
        tables.push(shown);
        Ok(counts)
    }
}

fn example(test: &Test) -> Option<String> {
    match &test.results {
        TestResults::Scored { attempts, rankings, .. } => {
            let mut ranked: Vec<_> = rankings
                .first()?
                .standings
                .iter()
                .zip(attempts)
                .filter_map(|(standing, attempt)| Some(((*standing)?.rank, &attempt.user_id)))
                .collect();
            ranked.sort();
            ranked.get(ranked.len() / 2).map(|(_, user)| (*user).clone())
        }
        TestResults::Form(attempts) => attempts.first().map(|attempt| attempt.user_id.clone()),
    }
}
