//! One outage, from 45 minutes before its begin until all test sessions are synced.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use quiz_domain::reports::ReportFormats;
use quiz_events::SessionTarget;
use quiz_local::{ParquetWarehouse, SqliteStore};
use quiz_pipeline::ports::Warehouse;
use quiz_pipeline::{ReportSink, ResultSink, SessionRequest, WarehouseSink};
use quiz_suites::contents::{Contents, items, rows};
use quiz_suites::exam::{Written, quiz_id, user};
use quiz_suites::function::SingleSync;
use serde_json::json;

use crate::outage::pipeline::Pipeline;
use crate::outage::services::{Service, Time};

const BEFORE: Duration = Duration::from_mins(45);
/// The test fails if the pipeline has not healed within this time after the outage.
const LONGEST: Duration = Duration::from_hours(6);
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
pub struct Outage {
    pub down: &'static [Service],
    pub lasts: Duration,
}

pub struct Outcome {
    /// Test sessions with missing or old contents in at least one sink when the outage ended.
    pub late: usize,
    /// Messages in dead-letter queues.
    pub parked: usize,
    /// Messages in queues when the outage ended.
    pub waiting: usize,
    pub healed_after: Duration,
    /// Discord messages and their edits.
    pub posted: usize,
    pub edited: usize,
}

/// The completions of students: the time and the number of the test session. The second test session has no completion
/// before the outage, except if SNS is down: its id would reach no queue, and reconcile could only name its quiz.
fn completions(outage: Outage) -> Vec<(Duration, usize)> {
    let during = |part: f64| BEFORE + outage.lasts.mul_f64(part);
    let mut completions = vec![
        (Duration::from_mins(5), 0),
        (BEFORE.saturating_sub(Duration::from_secs(30)), 0),
        (during(0.1), 0),
        (during(0.1) + Duration::from_secs(20), 1),
        (during(0.8), 1),
        (during(0.95), 0),
    ];
    if outage.down.contains(&Service::Sns) {
        completions.insert(1, (Duration::from_mins(10), 1));
    }
    completions
}

pub fn run(outage: Outage) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let until = BEFORE + outage.lasts;
        let time = Arc::new(Time::start(outage.down, (BEFORE, until)));
        let folder = tempfile::tempdir().unwrap();
        let pipeline = Pipeline::new(time, folder.path());
        tokio::select! {
            () = pipeline.run() => panic!("functions do not end"),
            outcome = watch(&pipeline, outage, until) => outcome,
        }
    })
}

async fn watch(pipeline: &Pipeline, outage: Outage, until: Duration) -> Outcome {
    complete(pipeline, outage).await;
    sleep_until(pipeline, until).await;
    let waiting = pipeline.in_queues();
    let expected = [Expected::new(pipeline, 0).await, Expected::new(pipeline, 1).await];
    let mut late = 0;
    for session in &expected {
        late += usize::from(!session.is_written(pipeline).await);
    }
    let are_written =
        async || expected[0].is_written(pipeline).await && expected[1].is_written(pipeline).await;
    while pipeline.in_queues() > 0 || !are_written().await {
        wait_for_queues(pipeline, until + LONGEST).await;
    }
    let healed_after = pipeline.time.elapsed().saturating_sub(until);
    // two more passes of reconcile request nothing; each repeats the notice of the outage, which is dropped
    sleep_until(pipeline, pipeline.time.elapsed() + Duration::from_mins(31)).await;
    assert!(pipeline.lanes.iter().all(|lane| lane.queue.is_empty()) && are_written().await);
    while !pipeline.notices.is_empty() {
        wait_for_queues(pipeline, until + LONGEST).await;
    }
    for (notice, times) in &*pipeline.discord.posted.lock().unwrap() {
        assert_eq!(*times, 1, "{notice}");
    }
    let (posts, edits) = (pipeline.discord.posts.lock().unwrap(), pipeline.discord.edits.lock().unwrap());
    Outcome { late, parked: pipeline.parked(), waiting, healed_after, posted: *posts, edited: *edits }
}

async fn wait_for_queues(pipeline: &Pipeline, latest: Duration) {
    let left = pipeline.in_queues();
    assert!(pipeline.time.elapsed() < latest, "not healed, {left} messages in queues");
    tokio::time::sleep(CHECK_INTERVAL).await;
}

async fn sleep_until(pipeline: &Pipeline, at: Duration) {
    tokio::time::sleep(at.saturating_sub(pipeline.time.elapsed())).await;
}

/// Writes each attempt to MongoDB and then publishes its completion.
async fn complete(pipeline: &Pipeline, outage: Outage) {
    let mut rng = Rng::with_seed(outage.lasts.as_secs());
    for (number, (at, test)) in completions(outage).into_iter().enumerate() {
        sleep_until(pipeline, at).await;
        let now = pipeline.now();
        let answers = [rng.i32(0..3), rng.i32(0..3)];
        pipeline.documents.write(Written { test, user: number, number, answers, ended: true }, now);
        pipeline.newest.answers.lock().unwrap().insert(quiz_id(test), now);
        let body = json!({
            "type": "quiz.completed", "session_id": session_id(test), "user_id": user(number),
            "completed_at": now.to_string(),
        });
        // the Quiz Engine does not repeat an event that SNS refused
        pipeline.events.publish(&body.to_string(), Some("quiz.completed")).await;
    }
}

fn session_id(test: usize) -> String {
    format!("Session{test}_{}", quiz_id(test))
}

/// The contents that both sinks must have for a test session: the result of a run without an outage.
struct Expected {
    session_id: String,
    items: Contents,
    rows: Contents,
}

impl Expected {
    async fn new(pipeline: &Pipeline, test: usize) -> Self {
        let session_id = session_id(test);
        let store = Arc::new(SqliteStore::open(":memory:").unwrap());
        let formats = ReportFormats { v1: true, v2: true };
        quiet_run(pipeline, Arc::new(ReportSink::new(store.clone(), formats)), test).await;
        let folder = tempfile::tempdir().unwrap();
        let parquet = ParquetWarehouse::new(folder.path());
        let warehouse: Arc<dyn Warehouse> = Arc::new(parquet.clone());
        quiet_run(pipeline, Arc::new(WarehouseSink::new(warehouse)), test).await;
        let items = items(&*store, &session_id).await;
        let rows = rows(|table| parquet.file(table, &session_id));
        Self { session_id, items, rows }
    }

    async fn is_written(&self, pipeline: &Pipeline) -> bool {
        items(&*pipeline.store, &self.session_id).await == self.items
            && rows(|table| pipeline.rows.file(table, &self.session_id)) == self.rows
    }
}

async fn quiet_run(pipeline: &Pipeline, sink: Arc<dyn ResultSink>, test: usize) {
    let target = SessionTarget { session_id: session_id(test), quiz_id: quiz_id(test) };
    let sync = SingleSync::new(pipeline.documents.clone(), sink).clock(pipeline.time.clone());
    sync.run(&SessionRequest::new(target)).await.unwrap();
}
