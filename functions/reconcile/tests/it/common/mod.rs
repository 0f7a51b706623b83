//! A pass on sync states in a file; all other services are fakes in memory.
#![allow(clippy::unwrap_used, dead_code, reason = "helpers of several test files, which may panic")]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use quiz_domain::KeyDigest;
use quiz_events::{Notice, Notices, PublishError, RequestTopic, Sink, SyncRequest};
use quiz_lambda::config::PassLimits;
use quiz_local::SqliteStore;
use quiz_pipeline::ports::{Clock, CompletedQuiz, LastAnswer, SourceError};
use quiz_pipeline::{Dimension, Meter, Metric};
use quiz_sync_state::{Failing, LastRun, Recovered, RunResult, StateKey, SyncState, SyncStates};
use reconcile::{Answers, PassError, Reconciler, Summary, Window};
use tokio::time::Instant;

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const NOW: i64 = 1_795_250_164_000;

pub fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap()
}

#[derive(Default)]
pub struct FakeServices {
    pub now: Mutex<i64>,
    pub answered: Mutex<Vec<LastAnswer>>,
    pub completed: Mutex<Vec<CompletedQuiz>>,
    /// The titles of the existing quizzes.
    pub titles: Mutex<HashMap<String, Option<String>>>,
    /// Whether MongoDB is down.
    pub is_down: Mutex<bool>,
    /// A state that changes while the pass reads the titles.
    pub changed_during_pass: Mutex<Option<(Arc<SqliteStore>, StateKey)>>,
    pub published: Mutex<Vec<SyncRequest>>,
    /// Test sessions whose events the topic refuses.
    /// The digests of the keys by quiz id.
    pub keys: Mutex<HashMap<String, KeyDigest>>,
    pub refused: Mutex<HashSet<String>>,
    pub notices: Mutex<Vec<Notice>>,
    pub measured: Mutex<HashMap<&'static str, u64>>,
}

impl FakeServices {
    fn source<T>(&self, answer: T) -> Result<T, SourceError> {
        if !*self.is_down.lock().unwrap() {
            return Ok(answer);
        }
        Err(SourceError::Unavailable { what: "answers".into(), cause: "no route".into() })
    }

    pub fn sessions_published(&self) -> Vec<String> {
        let published = self.published.lock().unwrap();
        published.iter().map(|request| request.targets.first().unwrap().session_id.clone()).collect()
    }
}

#[async_trait]
impl Answers for FakeServices {
    async fn answered(&self, window: Window, _: Duration) -> Result<Vec<LastAnswer>, SourceError> {
        let answered = self.answered.lock().unwrap().clone();
        let within = |answer: &LastAnswer| window.since <= answer.at && answer.at < window.until;
        self.source(answered.into_iter().filter(within).collect())
    }

    async fn completed(
        &self,
        quiz_ids: &[String],
        _: Window,
        _: Duration,
    ) -> Result<Vec<CompletedQuiz>, SourceError> {
        let completed = self.completed.lock().unwrap().clone();
        self.source(completed.into_iter().filter(|quiz| quiz_ids.contains(&quiz.quiz_id)).collect())
    }

    async fn keys(&self, quiz_ids: &[String]) -> Result<HashMap<String, KeyDigest>, SourceError> {
        let keys = self.keys.lock().unwrap().clone();
        self.source(keys.into_iter().filter(|(quiz, _)| quiz_ids.contains(quiz)).collect())
    }

    async fn titles(&self, quiz_ids: &[String]) -> Result<HashMap<String, Option<String>>, SourceError> {
        let titles = self.titles.lock().unwrap().clone();
        let changed = self.changed_during_pass.lock().unwrap().take();
        if let Some((store, key)) = changed {
            let seen = store.get(&key).await.unwrap();
            let next = SyncState { generation: seen.generation + 1, ..seen.clone() };
            assert!(store.swap(&key, &seen, &next).await.unwrap());
        }
        self.source(titles.into_iter().filter(|(quiz, _)| quiz_ids.contains(quiz)).collect())
    }
}

#[async_trait]
impl RequestTopic for FakeServices {
    async fn publish(&self, requests: &[SyncRequest]) -> Vec<Result<(), PublishError>> {
        let refused = self.refused.lock().unwrap();
        let take = |request: &SyncRequest| {
            if refused.contains(&request.targets.first().unwrap().session_id) {
                let topic = "quiz-events".to_owned();
                return Err(PublishError::Unavailable { topic, cause: "throttled".into() });
            }
            self.published.lock().unwrap().push(request.clone());
            Ok(())
        };
        requests.iter().map(take).collect()
    }
}

#[async_trait]
impl Notices for FakeServices {
    async fn send(&self, notices: Vec<Notice>) {
        self.notices.lock().unwrap().extend(notices);
    }
}

impl Meter for FakeServices {
    fn record(&self, dimension: Dimension, measured: &[(Metric, u64)]) {
        assert_eq!(dimension, Dimension::Function("reconcile"));
        let named = measured.iter().map(|(metric, value)| (metric.name, *value));
        *self.measured.lock().unwrap() = named.collect();
    }
}

impl Clock for FakeServices {
    fn now(&self) -> Timestamp {
        time(*self.now.lock().unwrap())
    }
}

/// A reconciler over a store in a folder of its own.
pub struct Fixture {
    pub services: Arc<FakeServices>,
    pub store: Arc<SqliteStore>,
    pub reconciler: Reconciler,
    folder: tempfile::TempDir,
}

impl Fixture {
    pub fn new(limits: PassLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path().join("reports.db")).unwrap());
        let services = Arc::new(FakeServices { now: Mutex::new(NOW), ..FakeServices::default() });
        let reconciler = Reconciler {
            states: store.clone(),
            answers: services.clone(),
            events: services.clone(),
            notices: Some(services.clone()),
            meter: services.clone(),
            clock: services.clone(),
            limits,
        };
        Self { services, store, reconciler, folder }
    }

    pub async fn plant(&self, session_id: &str, sink: Sink, state: SyncState) {
        assert!(self.store.swap(&key(session_id, sink), &SyncState::default(), &state).await.unwrap());
        let mut titles = self.services.titles.lock().unwrap();
        titles.entry(state.quiz_id).or_insert_with(|| Some("Physics mock".into()));
    }

    pub async fn swap(&self, session_id: &str, sink: Sink, before: &SyncState, next: &SyncState) -> bool {
        self.store.swap(&key(session_id, sink), before, next).await.unwrap()
    }

    pub async fn state(&self, session_id: &str, sink: Sink) -> SyncState {
        self.store.get(&key(session_id, sink)).await.unwrap()
    }

    pub fn answer(&self, quiz_id: &str, ago: i64) {
        let answer = LastAnswer { quiz_id: quiz_id.into(), at: time(NOW - ago) };
        self.services.answered.lock().unwrap().push(answer);
    }

    pub fn later(&self, millis: i64) {
        *self.services.now.lock().unwrap() += millis;
    }

    pub async fn pass(&self) -> Result<Summary, PassError> {
        let deadline = Instant::now() + Duration::from_mins(1);
        self.reconciler.pass(Duration::from_hours(24), deadline).await
    }
}

pub fn key(session_id: &str, sink: Sink) -> StateKey {
    StateKey { session_id: session_id.into(), sink }
}

/// Requested, and parked `ago` milliseconds before [`NOW`].
pub fn parked(quiz_id: &str, ago: i64) -> SyncState {
    let error = Some("could not write: no answer".to_owned());
    let last =
        LastRun { result: Some(RunResult::Parked), error, finished_at: NOW - ago, ..LastRun::default() };
    SyncState { quiz_id: quiz_id.into(), requested_through: NOW - ago - 1_000, last, ..SyncState::default() }
}

/// Failing since `since`, the newest failure `ago`: the queue delivers its messages again.
pub fn failed(code: &str, since: i64, ago: i64) -> SyncState {
    let last = LastRun {
        result: Some(RunResult::Failed),
        error: Some("no answer".to_owned()),
        finished_at: NOW - ago,
        ..LastRun::default()
    };
    let failing = Some(Failing { since: NOW - since, code: code.to_owned() });
    SyncState { quiz_id: "q".into(), requested_through: NOW - since, last, failing, ..SyncState::default() }
}

/// Synced `ago`, after failures since `since`.
pub fn recovered(code: &str, since: i64, ago: i64) -> SyncState {
    let recovered = Some(Recovered { since: NOW - since, at: NOW - ago, code: code.to_owned() });
    SyncState { recovered, ..synced("q", ago) }
}

/// Synced `ago`, with no newer request.
pub fn synced(quiz_id: &str, ago: i64) -> SyncState {
    let last = LastRun { result: Some(RunResult::Finished), finished_at: NOW - ago, ..LastRun::default() };
    SyncState {
        quiz_id: quiz_id.into(),
        requested_through: NOW - ago - 5_000,
        synced_through: NOW - ago,
        last,
        ..SyncState::default()
    }
}
