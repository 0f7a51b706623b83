//! A pass requests a test session whose messages are lost, and the sync function syncs it, on the embedded adapters.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use quiz_domain::reports::ReportFormats;
use quiz_events::{PublishError, QueueMessage, RequestTopic, Sink, SyncRequest};
use quiz_lambda::config::PassLimits;
use quiz_local::{DumpSource, MemoryQueue, QueueSettings, SqliteStore, drive};
use quiz_pipeline::batch::BatchHandler;
use quiz_pipeline::ports::{LastAnswer, SystemClock};
use quiz_pipeline::{ReportSink, Rules};
use quiz_sample::{sapa, write_dump};
use quiz_suites::function::SyncFunction;
use quiz_sync_state::{LastRun, RunResult, Standing, SyncState, SyncStates};
use reconcile::{Reconciler, Summary};
use tokio::time::Instant;

use crate::common::{FakeServices, HOUR, MINUTE, key};

struct QueueTopic(Arc<MemoryQueue>);

#[async_trait]
impl RequestTopic for QueueTopic {
    async fn publish(&self, requests: &[SyncRequest]) -> Vec<Result<(), PublishError>> {
        let send = |request: &SyncRequest| {
            self.0.send(request.to_json().to_string(), Some(SyncRequest::TYPE));
            Ok(())
        };
        requests.iter().map(send).collect()
    }
}

fn batches(folder: &std::path::Path, store: &Arc<SqliteStore>) -> BatchHandler {
    let dump = folder.join("dump");
    write_dump(&dump, &sapa::documents().unwrap(), false).unwrap();
    let sink = Arc::new(ReportSink::new(store.clone(), ReportFormats { v1: true, v2: false }));
    let source = Arc::new(DumpSource::open(&dump).unwrap());
    SyncFunction::new(store.clone()).handler(source, sink)
}

#[tokio::test]
async fn pass_heals_a_session_with_lost_messages() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("reports.db")).unwrap());
    let settings = QueueSettings { visibility_timeout: Duration::from_mins(10), max_receive_count: Some(3) };
    let queue = Arc::new(MemoryQueue::new(settings, Arc::new(SystemClock)));
    let now = Timestamp::now().as_millisecond();
    let quiz_id = sapa::SESSION_ID.rsplit('_').next().unwrap().to_owned();
    let services = Arc::new(FakeServices::default());
    services.titles.lock().unwrap().insert(quiz_id.clone(), None);
    let at = Timestamp::from_millisecond(now - 30 * MINUTE).unwrap();
    services.answered.lock().unwrap().push(LastAnswer { quiz_id: quiz_id.clone(), at });
    let reconciler = Reconciler {
        states: store.clone(),
        answers: services.clone(),
        events: Arc::new(QueueTopic(queue.clone())),
        notices: Some(services.clone()),
        meter: services.clone(),
        clock: Arc::new(SystemClock),
        limits: PassLimits { sinks: vec![Sink::Reports], ..PassLimits::default() },
    };
    let last = LastRun { result: Some(RunResult::Parked), finished_at: now - HOUR, ..LastRun::default() };
    let lost = SyncState { quiz_id, requested_through: now - HOUR, last, ..SyncState::default() };
    let key = key(sapa::SESSION_ID, Sink::Reports);
    assert!(store.swap(&key, &SyncState::default(), &lost).await.unwrap());

    let pass =
        async || reconciler.pass(Duration::from_hours(24), Instant::now() + Duration::from_mins(5)).await;
    assert_eq!(pass().await.unwrap().requested, 1);
    assert_eq!(pass().await.unwrap().requested, 0, "its message is in the queue");
    let batches = batches(folder.path(), &store);
    let answer = |messages: Vec<QueueMessage>| {
        let (batches, queue) = (&batches, &queue);
        async move { batches.handle(&messages, &**queue, Instant::now() + Duration::from_mins(5)).await.failed }
    };
    drive(&queue, 10, answer, |_| {}).await;
    let state = store.get(&key).await.unwrap();
    let (standing, _) = state.standing(Timestamp::now().as_millisecond(), &Rules::embedded());
    assert_eq!((standing, state.requested_again), (Standing::Synced, None));
    assert!(state.last.participants > 0);
    assert_eq!(pass().await.unwrap(), Summary::default());
    assert_eq!(services.notices.lock().unwrap().len(), 1);
}

/// Sync states never expire. If one is deleted all the same, the next event syncs the test session again.
#[tokio::test]
async fn deleted_state_loses_no_sync() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reports.db");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let settings = QueueSettings { visibility_timeout: Duration::from_mins(10), max_receive_count: Some(3) };
    let queue = Arc::new(MemoryQueue::new(settings, Arc::new(SystemClock)));
    let batches = batches(folder.path(), &store);
    let key = key(sapa::SESSION_ID, Sink::Reports);
    let sync = async || {
        queue.send(sapa::SESSION_ID.to_owned(), None);
        let answer = |messages: Vec<QueueMessage>| {
            let (batches, queue) = (&batches, &queue);
            async move {
                batches.handle(&messages, &**queue, Instant::now() + Duration::from_mins(5)).await.failed
            }
        };
        drive(&queue, 10, answer, |_| {}).await;
        store.get(&key).await.unwrap()
    };
    let before = sync().await;
    assert_eq!(before.last.result, Some(RunResult::Finished));
    let items = |state: &SyncState| (state.last.participants, state.last.rows_written);
    assert!(items(&before).0 > 0);

    let deleted = rusqlite::Connection::open(&path).unwrap().execute("DELETE FROM quiz_sync_state", []);
    assert_eq!(deleted.unwrap(), 1);
    let after = sync().await;
    assert_eq!((after.last.result, items(&after).0), (Some(RunResult::Finished), items(&before).0));
    assert!(after.generation > before.generation, "the fences of earlier runs stay behind");
}
