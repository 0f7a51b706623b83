use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use jiff::Timestamp;
use quiz_events::SessionTarget;
use quiz_pipeline::ports::{AnswerSource, Fence, SystemClock};
use quiz_pipeline::{
    Engine, ResultSink, RunScope, SessionRequest, SessionSync, Snapshots, SyncOutcome, Synced, WrittenParts,
};
use quiz_sample::large::Large;

/// One sync of the large test, as a function does it that holds the lease.
///
/// # Errors
/// What fails in the source or the sink.
pub async fn sync(
    source: Arc<dyn AnswerSource>,
    sink: Arc<dyn ResultSink>,
    generation: i64,
    snapshots: Option<Snapshots>,
) -> Result<SyncOutcome> {
    let excluded = HashSet::from(["test_admin".to_owned()]);
    let engine = Engine::new(source, sink, Arc::new(SystemClock), excluded);
    let engine = match snapshots {
        Some(snapshots) => engine.with_snapshots(snapshots),
        None => engine,
    };
    let target = SessionTarget::new(&format!("Large_{}", Large::QUIZ_ID), None, "session_id")?;
    let scope = RunScope {
        generation,
        read_started_at: Timestamp::now(),
        rewrite: false,
        fence: Fence::open(),
        written: WrittenParts::default(),
    };
    let batch = engine.begin()?;
    match batch.sync(&SessionRequest::new(target), &scope).await? {
        Synced::Done(outcome) => Ok(outcome),
        Synced::Staged(outcome) => {
            let committed = batch.commit(vec![outcome]).await.into_iter().next();
            Ok(committed.context("the commit said nothing")??)
        }
    }
}
