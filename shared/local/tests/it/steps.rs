//! A test session too large for one invocation: each invocation writes a part, and a follow-up continues.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use quiz_domain::reports::{ReportFormats, ReportTable};
use quiz_events::{ParkCause, QueueMessage, SessionTarget, Sink};
use quiz_local::{DumpSource, MemoryQueue, QueueSettings, SqliteStore, drive};
use quiz_pipeline::batch::BatchHandler;
use quiz_pipeline::ports::SystemClock;
use quiz_pipeline::{Failure, Listener, ReportSink, SyncOutcome};
use quiz_sample::{SampleDocuments, sapa, write_dump};
use quiz_suites::function::SyncFunction;
use quiz_suites::hooked::{Call, Hook, Hooked};
use quiz_suites::store::session_items;
use quiz_sync_state::{RunResult, StateKey, SyncStates};
use serde_json::Value;
use tokio::time::Instant;

/// The time of one write: an invocation of a minute has time for a few of the ten writes, some of them concurrent.
const WRITE: Duration = Duration::from_secs(90);
const FUNCTION: Duration = Duration::from_mins(1);

/// Delays every write of items.
#[derive(Default)]
struct SlowWrites {
    writes: AtomicUsize,
}

#[async_trait]
impl Hook for SlowWrites {
    async fn after(&self, call: Call<'_>) {
        let Call::PutItems { fence } = call else { return };
        self.writes.fetch_add(1, Ordering::SeqCst);
        // a write in progress at the end of the time ends within the grace period
        for _ in 0..WRITE.as_secs() {
            if fence.holds() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

#[derive(Default)]
struct Outcomes {
    finished: Mutex<Vec<SyncOutcome>>,
    paused: AtomicUsize,
}

#[async_trait]
impl Listener for Outcomes {
    async fn finished(&self, outcome: &SyncOutcome) {
        self.finished.lock().unwrap().push(outcome.clone());
    }
    async fn failed(&self, _target: &SessionTarget, failure: &Failure) {
        panic!("{failure:?}");
    }
    async fn parked(&self, _message: &QueueMessage, cause: &ParkCause) {
        panic!("{cause:?}");
    }
    async fn paused(&self, _target: &SessionTarget) {
        self.paused.fetch_add(1, Ordering::SeqCst);
    }
}

struct Pipeline {
    store: Arc<SqliteStore>,
    queue: Arc<MemoryQueue>,
}

impl Pipeline {
    fn in_folder(folder: &Path) -> Self {
        let settings =
            QueueSettings { visibility_timeout: Duration::from_mins(6), max_receive_count: Some(1) };
        Self {
            store: Arc::new(SqliteStore::open(folder.join("reports.db")).unwrap()),
            queue: Arc::new(MemoryQueue::new(settings, Arc::new(SystemClock))),
        }
    }

    fn handler(
        &self,
        folder: &Path,
        documents: &SampleDocuments,
    ) -> (BatchHandler, Arc<SlowWrites>, Arc<Outcomes>) {
        write_dump(folder, documents, false).unwrap();
        let source = Arc::new(DumpSource::open(folder).unwrap());
        let (slow, outcomes) = (Arc::new(SlowWrites::default()), Arc::new(Outcomes::default()));
        let store = Arc::new(Hooked::new(self.store.clone(), slow.clone()));
        let sink = Arc::new(ReportSink::new(store, ReportFormats { v1: true, v2: true }));
        let function =
            SyncFunction::new(self.store.clone()).listener(outcomes.clone()).excluding("test_admin");
        (function.handler(source, sink), slow, outcomes)
    }

    async fn invoke(&self, handler: &BatchHandler, messages: Vec<QueueMessage>) -> Vec<String> {
        handler.handle(&messages, &*self.queue, Instant::now() + FUNCTION).await.failed
    }

    async fn items(&self) -> Vec<Value> {
        let sections = session_items(&*self.store, ReportTable::Sections, sapa::SESSION_ID).await;
        let students = session_items(&*self.store, ReportTable::Students, sapa::SESSION_ID).await;
        sections
            .into_iter()
            .chain(students)
            .map(|mut item| {
                let fields = item.as_object_mut().unwrap();
                fields.remove("inserted_at_timestamp");
                fields.remove("sync_generation");
                item
            })
            .collect()
    }
}

/// The items of one invocation without a time limit.
async fn quiet(documents: &SampleDocuments) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = Pipeline::in_folder(folder.path());
    let (handler, ..) = pipeline.handler(&folder.path().join("dump"), documents);
    pipeline.queue.send(sapa::SESSION_ID, None);
    let messages = pipeline.queue.receive(1);
    let a_day = Instant::now() + Duration::from_hours(24);
    assert!(handler.handle(&messages, &*pipeline.queue, a_day).await.failed.is_empty());
    pipeline.items().await
}

#[tokio::test(start_paused = true)]
async fn large_test_session_is_written_in_steps() {
    let documents = sapa::documents().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pipeline = Pipeline::in_folder(folder.path());
    let (handler, slow, outcomes) = pipeline.handler(&folder.path().join("dump"), &documents);
    pipeline.queue.send(sapa::SESSION_ID, None);
    let driven = drive(&pipeline.queue, 10, |messages| pipeline.invoke(&handler, messages), |_| {}).await;
    assert_eq!((driven.failed, driven.dead_letters), (0, 0), "a step is no failure");
    let paused = outcomes.paused.load(Ordering::SeqCst);
    assert!(paused >= 2, "{paused} steps");
    assert_eq!(outcomes.finished.lock().unwrap().len(), 1, "one notice, at the end");
    assert_eq!(
        slow.writes.load(Ordering::SeqCst),
        10,
        "eight chunks of sections and two of students, each written once"
    );
    assert!(pipeline.items().await == quiet(&documents).await, "not what a quiet run writes");
    let key = StateKey { session_id: sapa::SESSION_ID.into(), sink: Sink::Reports };
    let state = pipeline.store.get(&key).await.unwrap();
    assert_eq!((state.last.result, state.progress, state.lease), (Some(RunResult::Finished), None, None));
}

#[tokio::test(start_paused = true)]
async fn forced_sync_in_steps_writes_each_item_once() {
    let documents = sapa::documents().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pipeline = Pipeline::in_folder(folder.path());
    let (handler, slow, outcomes) = pipeline.handler(&folder.path().join("dump"), &documents);
    let forced = serde_json::json!({"session_id": sapa::SESSION_ID, "force": true}).to_string();
    for (message, writes) in [(sapa::SESSION_ID.to_owned(), 10), (forced.clone(), 20), (forced, 30)] {
        pipeline.queue.send(message, None);
        let driven = drive(&pipeline.queue, 10, |messages| pipeline.invoke(&handler, messages), |_| {}).await;
        assert_eq!((driven.failed, driven.dead_letters), (0, 0));
        assert_eq!(slow.writes.load(Ordering::SeqCst), writes);
    }
    let paused = outcomes.paused.load(Ordering::SeqCst);
    let finished = outcomes.finished.lock().unwrap().clone();
    assert!(paused >= 6 && finished.len() == 3, "{paused} steps of {} syncs", finished.len());
    assert!(finished.iter().all(|outcome| outcome.unchanged == 0), "{finished:?}");
    assert!(pipeline.items().await == quiet(&documents).await, "not what a quiet run writes");
}

#[tokio::test(start_paused = true)]
async fn change_between_two_steps_is_written() {
    let mut documents = sapa::documents().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pipeline = Pipeline::in_folder(folder.path());
    let (handler, slow, outcomes) = pipeline.handler(&folder.path().join("before"), &documents);
    pipeline.queue.send(sapa::SESSION_ID, None);
    let messages = pipeline.queue.receive(1);
    assert!(pipeline.invoke(&handler, messages.clone()).await.is_empty());
    pipeline.queue.delete(&messages[0].receipt_handle);
    let written = slow.writes.load(Ordering::SeqCst);
    assert!(outcomes.paused.load(Ordering::SeqCst) == 1 && written >= 2, "{written} written");

    documents.sessions.retain(|session| session.get_str("user_id").ok() != Some("sapa-5"));
    let (handler, slow, outcomes) = pipeline.handler(&folder.path().join("after"), &documents);
    let driven = drive(&pipeline.queue, 10, |messages| pipeline.invoke(&handler, messages), |_| {}).await;
    assert_eq!((driven.failed, driven.dead_letters), (0, 0));
    assert_eq!(outcomes.finished.lock().unwrap().len(), 1);
    assert_eq!(slow.writes.load(Ordering::SeqCst), 10, "every rank is another");
    assert!(pipeline.items().await == quiet(&documents).await, "not what a quiet run writes");
}
