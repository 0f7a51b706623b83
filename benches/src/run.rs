use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Result;
use jiff::Timestamp;
use quiz_events::SessionTarget;
use quiz_pipeline::ports::{AnswerSource, SystemClock};
use quiz_pipeline::{Engine, ResultSink, RunScope, SessionRequest, Snapshots, SyncOutcome};
use quiz_sample::large::LargeAssessment;

/// Syncs the large test session once, like a function that holds the lease.
///
/// # Errors
/// The errors of the source and the sink.
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
    let target = SessionTarget::new(&format!("Large_{}", LargeAssessment::QUIZ_ID), None, "session_id")?;
    let scope = RunScope::unfenced(generation, Timestamp::now());
    Ok(engine.sync_alone(&SessionRequest::new(target), scope).await?)
}
