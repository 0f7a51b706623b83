//! A poison message ends the process of its function: its neighbours are synced, and the poison is parked with the cause.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use quiz_domain::rows::RowBatch;
use quiz_events::{Notice, Notices, SessionTarget, Sink};
use quiz_local::{MemoryQueue, QueueSettings, SqliteStore};
use quiz_pipeline::batch::{BatchLimits, BatchReport};
use quiz_pipeline::ports::{StagedSession, WarehouseBatch, WarehouseError};
use quiz_pipeline::{
    Listener, LogListener, NoticeListener, Rules, RunScope, SessionRequest, SessionSync, SyncError,
    SyncOutcome, Synced,
};
use quiz_suites::function::{SyncFunction, staged_session};
use quiz_sync_state::{StateKey, SyncState, SyncStates};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::common::TokioClock;

const POISON: &str = "poison";
/// The receive limit of `deploy/template.yaml`.
const VISIBILITY: Duration = Duration::from_mins(31);
const RECEIVES: u32 = 7;

/// Syncs each test session within a second; the poison ends the process after a while.
#[derive(Clone)]
struct Syncs {
    dies: Arc<Notify>,
    is_staging: bool,
}

#[async_trait]
impl SessionSync for Syncs {
    fn begin(&self) -> Result<Option<Arc<dyn WarehouseBatch>>, SyncError> {
        let staging: Arc<dyn WarehouseBatch> = Arc::new(self.clone());
        Ok(self.is_staging.then_some(staging))
    }

    async fn ended(
        &self,
        _target: &SessionTarget,
        _user_ids: &[String],
    ) -> Result<HashMap<String, Option<Timestamp>>, SyncError> {
        Ok(HashMap::new())
    }

    async fn sync(&self, request: &SessionRequest, scope: &RunScope) -> Result<Synced, SyncError> {
        let session_id = request.target.session_id.clone();
        if session_id.starts_with(POISON) {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            self.dies.notify_one();
            return std::future::pending().await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let outcome = outcome(session_id, scope);
        if !self.is_staging {
            return Ok(Synced::Done(outcome));
        }
        let staged = staged_session(&outcome.session_id, scope);
        Ok(Synced::Staged(outcome, staged))
    }
}

#[async_trait]
impl WarehouseBatch for Syncs {
    async fn stage(&self, _session_id: &str, _rows: RowBatch) -> Result<(), WarehouseError> {
        Ok(())
    }

    async fn replace(&self, tests: &[StagedSession]) -> Vec<Result<(), WarehouseError>> {
        tests.iter().map(|_| Ok(())).collect()
    }
}

fn outcome(session_id: String, scope: &RunScope) -> SyncOutcome {
    SyncOutcome {
        sink: Sink::Reports,
        session_id,
        quiz_id: "q".into(),
        messages: 1,
        generation: scope.generation,
        started_at: scope.read_started_at,
        ..SyncOutcome::default()
    }
}

/// A function with its queue, whose process the poison ends.
struct CrashingFunction {
    queue: MemoryQueue,
    store: Arc<SqliteStore>,
    clock: Arc<TokioClock>,
    is_staging: bool,
    listener: Arc<dyn Listener>,
    most_receives_of_good_ones: AtomicU32,
    _folder: TempDir,
}

impl CrashingFunction {
    fn new(is_staging: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Arc::new(TokioClock::start());
        let settings = QueueSettings { visibility_timeout: VISIBILITY, max_receive_count: Some(RECEIVES) };
        Self {
            queue: MemoryQueue::new(settings, clock.clone()),
            store: Arc::new(SqliteStore::open(folder.path().join("reports.db")).unwrap()),
            clock,
            is_staging,
            listener: Arc::new(LogListener),
            most_receives_of_good_ones: AtomicU32::new(0),
            _folder: folder,
        }
    }

    fn send(&self, session: &str) {
        self.queue.send(format!(r#"{{"session_id":"{session}","quiz_id":"q"}}"#), None);
    }

    /// One invocation with all visible messages; `None` where its process ended.
    async fn invoke(&self) -> Option<BatchReport> {
        let messages = self.queue.receive(1_000);
        let good = messages.iter().filter(|message| message.body.contains("good"));
        let receives = good.map(|message| message.receive_count).max().unwrap_or_default();
        self.most_receives_of_good_ones.fetch_max(receives, Ordering::SeqCst);
        let syncs = Syncs { dies: Arc::default(), is_staging: self.is_staging };
        let commit_reserve = Duration::from_secs(if self.is_staging { 120 } else { 0 });
        let assembly = SyncFunction::new(self.store.clone())
            .clock(self.clock.clone())
            .rules(Rules { interval: Duration::ZERO, ..Rules::default() })
            .listener(self.listener.clone())
            .limits(BatchLimits { commit_reserve, ..BatchLimits::default() });
        let handler = assembly.handler_of(Sink::Reports, Arc::new(syncs.clone()));
        let deadline = Instant::now() + Duration::from_mins(5);
        let report = tokio::select! {
            report = handler.handle(&messages, &self.queue, deadline) => report,
            () = syncs.dies.notified() => return None,
        };
        for message in &messages {
            if !report.failed.contains(&message.message_id) {
                self.queue.delete(&message.receipt_handle);
            }
        }
        Some(report)
    }

    /// Invokes every two seconds, until an invocation ends without an answer.
    async fn invoke_until_death(&self) {
        while self.invoke().await.is_some() {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    /// Waits until the messages of an ended process are visible again.
    async fn come_back(&self) {
        tokio::time::sleep(VISIBILITY).await;
    }

    async fn state(&self, session: &str) -> SyncState {
        let key = StateKey { session_id: session.to_owned(), sink: Sink::Reports };
        self.store.get(&key).await.unwrap()
    }

    fn causes(&self) -> Vec<String> {
        let code = |letter: quiz_local::DeadLetter| letter.attributes.get("error_code").cloned();
        self.queue.dead_letters().into_iter().map(|letter| code(letter).unwrap_or_default()).collect()
    }
}

async fn poison_among_good_ones(is_staging: bool) {
    let function = CrashingFunction::new(is_staging);
    for number in 0..100 {
        if number == 60 {
            function.send(POISON);
        }
        function.send(&format!("good-{number}"));
    }
    assert_eq!(function.invoke().await, None, "first receive");
    assert_eq!(function.queue.len(), 101, "an invocation that ends without an answer returns all");
    function.come_back().await;
    function.invoke_until_death().await;
    // follow-ups of the syncs that ran with the poison
    while function.queue.len() > 1 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(function.invoke().await.is_some(), "the poison is not among them");
    }
    assert_eq!(function.most_receives_of_good_ones.load(Ordering::SeqCst), 2);
    for number in 0..100 {
        let session = format!("good-{number}");
        assert!(function.state(&session).await.synced_through > 0, "{session} is not synced");
    }
    for crash in 3..=5 {
        function.come_back().await;
        assert_eq!(function.invoke().await, None, "crash {crash}");
        assert_eq!(function.queue.len(), 1, "crash {crash}");
    }
    function.come_back().await;
    let report = function.invoke().await.expect("it is not run again");
    assert_eq!((report.parked, report.failed.len(), function.queue.len()), (1, 0, 0));
    assert_eq!(function.causes(), ["runs_crash"]);
}

#[tokio::test(start_paused = true)]
async fn crashing_message_costs_neighbours_one_receive() {
    poison_among_good_ones(false).await;
}

#[tokio::test(start_paused = true)]
async fn crashing_message_costs_staged_neighbours_one_receive() {
    poison_among_good_ones(true).await;
}

#[tokio::test(start_paused = true)]
async fn new_messages_of_crashing_session_spare_neighbours() {
    let function = CrashingFunction::new(false);
    function.send(POISON);
    assert_eq!(function.invoke().await, None);
    tokio::time::sleep(Duration::from_secs(90)).await;
    // the first message is still hidden
    function.send(POISON);
    function.send("good");
    assert_eq!(function.invoke().await, None);
    assert!(function.state("good").await.synced_through > 0);
    assert_eq!(function.queue.len(), 2, "both of the crashing test session");
}

#[tokio::test(start_paused = true)]
async fn parked_test_session_runs_later_or_when_forced() {
    let function = CrashingFunction::new(false);
    for _ in 0..5 {
        function.send(POISON);
        assert_eq!(function.invoke().await, None);
        function.come_back().await;
    }
    while !function.queue.is_empty() {
        assert!(function.invoke().await.is_some());
        function.come_back().await;
    }
    let parked = function.causes().len();
    function.send(POISON);
    assert_eq!(function.invoke().await, None, "half an hour later it is tried again");
    tokio::time::sleep(Duration::from_secs(90)).await;
    function.send(POISON);
    assert!(function.invoke().await.is_some(), "and parked at once");
    assert_eq!(function.causes().len(), parked + 1);
    function.queue.send(format!(r#"{{"session_id":"{POISON}","quiz_id":"q","force":true}}"#), None);
    assert_eq!(function.invoke().await, None, "a forced request runs");
}

#[tokio::test(start_paused = true)]
async fn complete_run_clears_the_crash_count() {
    let function = CrashingFunction::new(false);
    let key = StateKey { session_id: "good".into(), sink: Sink::Reports };
    let crashed = SyncState { quiz_id: "q".into(), crashed_runs: 4, ..SyncState::default() };
    assert!(function.store.swap(&key, &SyncState::default(), &crashed).await.unwrap());
    function.send("good");
    let report = function.invoke().await.unwrap();
    assert_eq!((report.synced, function.state("good").await.crashed_runs), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn message_with_crashing_sessions_is_parked_with_cause() {
    let function = CrashingFunction::new(false);
    function.queue.send(r#"{"session_ids":["good","poison-1","poison-2"],"quiz_id":"q"}"#, None);
    while !function.queue.is_empty() {
        while function.queue.visible() > 0 {
            function.invoke().await;
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        function.come_back().await;
    }
    assert!(function.state("good").await.synced_through > 0);
    for poison in ["poison-1", "poison-2"] {
        assert_eq!(function.state(poison).await.crashed_runs, 5, "{poison}");
    }
    // the message itself, and a follow-up of each crashing test session
    let causes = function.causes();
    assert!(!causes.is_empty() && causes.iter().all(|cause| cause == "runs_crash"), "{causes:?}");
}

/// The notices of settled messages are sent before a run that may end the process.
#[tokio::test(start_paused = true)]
async fn crash_loses_no_notice_of_neighbours() {
    #[derive(Default)]
    struct Sent(Mutex<Vec<Notice>>);

    #[async_trait]
    impl Notices for Sent {
        async fn send(&self, notices: Vec<Notice>) {
            self.0.lock().unwrap().extend(notices);
        }
    }

    let mut function = CrashingFunction::new(false);
    let sent = Arc::new(Sent::default());
    function.listener = Arc::new(NoticeListener::new(Sink::Reports, sent.clone(), function.clock.clone()));
    function.send(POISON);
    assert_eq!(function.invoke().await, None);
    tokio::time::sleep(Duration::from_secs(90)).await;
    function.send(POISON);
    function.send("good");
    function.queue.send("no event", None);
    assert_eq!(function.invoke().await, None);
    let kinds: Vec<String> = sent.0.lock().unwrap().iter().map(|notice| notice.id.clone()).collect();
    assert_eq!(kinds.len(), 2, "a finished sync, and a parked message: {kinds:?}");
}
