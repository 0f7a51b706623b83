//! The coordinator by stored sync state: requests run, are covered, joined or deferred.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use quiz_events::{QueueMessage, Sink};
use quiz_pipeline::Rules;
use quiz_pipeline::batch::{BatchHandler, BatchLimits, BatchReport};
use quiz_pipeline::ports::Clock;
use quiz_suites::function::SyncFunction;
use quiz_sync_state::{Failing, FollowUp, LastRun, Lease, Recovered, RunResult, StateKey, SyncState};
use tokio::time::Instant;

use crate::common::{RecordingQueue, Scripted, Scripting, States, message, sync_message};

const NOW: i64 = 1_714_500_000_000;

/// Tokio's paused time, which moves only while something sleeps.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::from_millisecond(NOW).unwrap();
        now + SignedDuration::try_from(self.0.elapsed()).unwrap()
    }
}

struct Function {
    states: Arc<States>,
    sync: Arc<Scripted>,
    queue: RecordingQueue,
    handler: BatchHandler,
}

impl Function {
    fn new(state: SyncState, limits: BatchLimits) -> Self {
        let (states, sync) = (Arc::new(States::default()), Arc::new(Scripted::default()));
        let state = SyncState { revision: 1, quiz_id: "q".into(), ..state };
        states.0.lock().unwrap().insert(key(), state);
        let handler = SyncFunction::new(states.clone())
            .clock(Arc::new(PausedClock(Instant::now())))
            .rules(Rules::default())
            .limits(limits)
            .handler_of(Sink::Reports, Arc::new(Scripting(sync.clone())));
        Self { states, sync, queue: RecordingQueue::default(), handler }
    }

    async fn handle(&self, messages: &[QueueMessage]) -> BatchReport {
        self.handler.handle(messages, &self.queue, Instant::now() + Duration::from_mins(15)).await
    }

    fn state(&self) -> SyncState {
        self.states.0.lock().unwrap()[&key()].clone()
    }

    fn syncs(&self) -> usize {
        self.sync.synced.lock().unwrap().len()
    }

    /// The delays of the sent follow-ups.
    fn follow_ups(&self) -> Vec<Duration> {
        self.queue.sent.lock().unwrap().iter().map(|(_, delay)| *delay).collect()
    }
}

fn key() -> StateKey {
    StateKey { session_id: "A".into(), sink: Sink::Reports }
}

fn sent(id: &str, before_now_ms: i64) -> QueueMessage {
    QueueMessage { sent_at: Timestamp::from_millisecond(NOW - before_now_ms).ok(), ..sync_message(id, "A") }
}

fn failing() -> (Function, StateKey) {
    let function = Function::new(SyncState::default(), BatchLimits::default());
    (function, StateKey { session_id: "bad".into(), sink: Sink::Reports })
}

#[tokio::test(start_paused = true)]
async fn failed_state_shows_whether_messages_are_parked() {
    let receives = |counts: [u32; 2]| {
        let received = |(id, receive_count)| QueueMessage { receive_count, ..sync_message(id, "bad") };
        ["1", "2"].into_iter().zip(counts).map(received).collect::<Vec<_>>()
    };
    for (counts, expected) in [([5, 1], RunResult::Failed), ([5, 5], RunResult::Parked)] {
        let (function, key) = failing();
        function.handle(&receives(counts)).await;
        let state = function.states.0.lock().unwrap()[&key].clone();
        assert_eq!((state.last.result, state.lease), (Some(expected), None), "{counts:?}");
        assert_eq!(state.last.error.as_deref(), Some("could not read quiz: connection refused"));
    }
    let function = Function::new(SyncState::default(), BatchLimits::default());
    function.handle(&[sync_message("1", "refused")]).await;
    let key = StateKey { session_id: "refused".into(), sink: Sink::Reports };
    let result = function.states.0.lock().unwrap()[&key].last.result;
    assert_eq!(result, Some(RunResult::Parked), "it can never succeed");
}

fn held(message_id: &str) -> SyncState {
    let lease = Lease { owner: "another".into(), message_id: message_id.into(), until: NOW + 40_000 };
    SyncState { requested_through: NOW - 5_000, lease: Some(lease), generation: 7, ..SyncState::default() }
}

fn done(synced_ms_ago: i64) -> SyncState {
    SyncState { synced_through: NOW - synced_ms_ago, generation: 7, ..SyncState::default() }
}

#[tokio::test(start_paused = true)]
async fn covered_requests_are_acknowledged() {
    let function = Function::new(done(100_000), BatchLimits::default());
    let report = function.handle(&[sent("1", 101_001), sent("2", 200_000)]).await;
    assert_eq!((report, function.syncs()), (BatchReport { absorbed: 2, ..BatchReport::default() }, 0));
    let report = function.handle(&[sent("3", 100_999)]).await;
    assert_eq!((report.synced, function.syncs()), (1, 1), "clocks may differ by the margin");
}

#[tokio::test(start_paused = true)]
async fn forced_request_runs_at_once() {
    let function = Function::new(done(10_000), BatchLimits::default());
    let forced = |id: &str| {
        let body = r#"{"session_id":"A","quiz_id":"q","force":true}"#;
        QueueMessage { sent_at: Timestamp::from_millisecond(NOW - 60_000).ok(), ..message(id, body) }
    };
    assert_eq!(function.handle(&[forced("1")]).await.synced, 1);
    assert_eq!(*function.sync.rewrites.lock().unwrap(), [true], "unchanged items as well");
    let function = Function::new(held("m"), BatchLimits::default());
    assert_eq!(function.handle(&[forced("1")]).await.absorbed, 1, "it joins a run");
    let state = function.state();
    assert!(state.is_to_rewrite(&Rules::default()) && state.requested_through == NOW, "{state:?}");
}

#[tokio::test(start_paused = true)]
async fn request_joins_a_running_sync() {
    let function = Function::new(held("m"), BatchLimits::default());
    let report = function.handle(&[sent("1", 0), sent("2", 3_000)]).await;
    assert_eq!((report.absorbed, function.syncs()), (2, 0));
    let state = function.state();
    assert_eq!((state.requested_through, state.lease), (NOW, held("m").lease));
}

#[tokio::test(start_paused = true)]
async fn anchor_of_a_run_stays_in_the_queue() {
    let function = Function::new(held("1"), BatchLimits::default());
    let last = QueueMessage { receive_count: 5, ..sent("1", 5_000) };
    let report = function.handle(&[last, sent("2", 5_000)]).await;
    assert_eq!(report, BatchReport { failed: vec!["1".into()], absorbed: 1, ..BatchReport::default() });
    assert_eq!(
        function.queue.delayed.lock().unwrap()["1"],
        Duration::from_secs(40),
        "until the lease is over"
    );
}

#[tokio::test(start_paused = true)]
async fn expired_lease_is_taken_over() {
    let mut state = held("m");
    state.lease.as_mut().unwrap().until = NOW;
    let function = Function::new(state, BatchLimits::default());
    assert_eq!(function.handle(&[sent("1", 0)]).await.synced, 1);
    let state = function.state();
    assert!(state.generation > 7 && state.lease.is_none());
    assert!(state.synced_through >= NOW, "it read after the request");
    assert_eq!(state.last.result, Some(RunResult::Finished));
}

#[tokio::test(start_paused = true)]
async fn requests_within_the_interval_join_one_follow_up() {
    let function = Function::new(done(30_000), BatchLimits::default());
    assert_eq!(function.handle(&[sent("1", 0)]).await.absorbed, 1);
    assert_eq!(function.follow_ups(), [Duration::from_mins(1)], "90 s after the read before");
    let state = function.state();
    let due = NOW + 60_000;
    assert_eq!(state.follow_up, Some(FollowUp { message_id: "follow-up-1".into(), due }));
    assert_eq!(function.handle(&[sent("2", 0), sent("3", 0)]).await.absorbed, 2);
    assert_eq!((function.follow_ups().len(), function.syncs(), function.state().joined), (1, 0, 3));
    let follow_up = sent("follow-up-1", 0);
    assert_eq!(function.handle(&[follow_up]).await.synced, 1, "a follow-up does not join itself");
    assert_eq!((function.state().follow_up, function.state().joined), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn long_sync_is_deferred_when_time_is_short() {
    let last = LastRun { duration_ms: 860_000, ..LastRun::default() };
    let limits = BatchLimits { concurrency: 1, ..BatchLimits::default() };
    let function = Function::new(SyncState { last, ..SyncState::default() }, limits);
    let others: Vec<QueueMessage> =
        (0..8).map(|at| sync_message(&format!("b{at}"), &format!("B{at}"))).collect();
    let report = function.handle(&[others, vec![sent("1", 0)]].concat()).await;
    assert_eq!((report.synced, report.absorbed), (8, 1), "15 minutes less 8 s are too few");
    assert_eq!(function.follow_ups(), [Duration::from_secs(1)]);
    assert_eq!(function.handle(&[sent("follow-up-1", 0)]).await.synced, 1, "no invocation has more");
}

#[tokio::test(start_paused = true)]
async fn older_message_with_another_quiz_is_parked() {
    let function =
        Function::new(SyncState { requested_through: NOW - 1_000, ..done(500) }, BatchLimits::default());
    let body = r#"{"session_id":"A","quiz_id":"other"}"#;
    let sent_at = Timestamp::from_millisecond(NOW - 2_000).ok();
    let report = function.handle(&[QueueMessage { sent_at, ..message("1", body) }]).await;
    assert_eq!(report.parked, 1);
    let cause = function.queue.parked.lock().unwrap()["1"].clone();
    assert_eq!(cause.code, "contradicting_quiz");
    assert_eq!(cause.error, "session A is said to be of quiz other, but a newer message says quiz q");
}

/// A state in which a run has crashed.
fn crashed(last_ms: u64) -> SyncState {
    let mut state = held("m");
    state.lease.as_mut().unwrap().until = NOW - 1;
    SyncState { last: LastRun { duration_ms: last_ms, ..LastRun::default() }, ..state }
}

fn others(count: usize) -> Vec<QueueMessage> {
    (0..count).map(|at| sync_message(&format!("b{at}"), &format!("B{at}"))).collect()
}

#[tokio::test(start_paused = true)]
async fn suspect_runs_last_after_others_are_deleted() {
    let function = Function::new(crashed(0), BatchLimits::default());
    let report = function.handle(&[vec![sent("1", 0)], others(3)].concat()).await;
    assert_eq!((report.synced, report.failed.len()), (4, 0));
    assert_eq!(function.sync.synced.lock().unwrap().last().map(String::as_str), Some("A"));
    let mut acknowledged = function.queue.acknowledged.lock().unwrap().clone();
    acknowledged.sort();
    assert_eq!(acknowledged, ["b0", "b1", "b2"]);
    assert_eq!(function.state().crashed_runs, 0);
}

#[tokio::test(start_paused = true)]
async fn long_suspect_does_not_starve() {
    let limits = BatchLimits { concurrency: 1, ..BatchLimits::default() };
    let function = Function::new(crashed(860_000), limits);
    // 8 s for the others: all of the time is not left
    assert_eq!(function.handle(&[vec![sent("1", 0)], others(8)].concat()).await.synced, 9);
}

#[tokio::test(start_paused = true)]
async fn follow_ups_count_their_depth() {
    let state = SyncState { follow_up_depth: 4, ..done(30_000) };
    let function = Function::new(state, BatchLimits::default());
    function.handle(&[sent("1", 0)]).await;
    let depth = |at: usize| {
        let sent: serde_json::Value =
            serde_json::from_str(&function.queue.sent.lock().unwrap()[at].0).unwrap();
        sent["follow_up_depth"].clone()
    };
    assert_eq!((depth(0), function.state().follow_up_depth), (5.into(), 5));
    // a follow-up whose state was lost knows its depth
    let function = Function::new(done(30_000), BatchLimits::default());
    let body = r#"{"session_id":"A","quiz_id":"q","follow_up_depth":7}"#;
    let sent_at = Timestamp::from_millisecond(NOW).ok();
    function.handle(&[QueueMessage { sent_at, ..message("1", body) }]).await;
    let sent = function.queue.sent.lock().unwrap()[0].0.clone();
    assert!(sent.contains("\"follow_up_depth\":8"), "{sent}");
    assert_eq!(function.state().follow_up_depth, 8);
}

fn state_of(function: &Function, session_id: &str) -> SyncState {
    let key = StateKey { session_id: session_id.into(), sink: Sink::Reports };
    function.states.0.lock().unwrap().get(&key).cloned().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn lease_outlasts_an_unanswered_write() {
    for (session_id, synced) in [("unanswered", 1), ("bad-unanswered", 0)] {
        let function = Function::new(SyncState::default(), BatchLimits::default());
        let began = Instant::now();
        let messages = [sync_message("1", session_id)];
        let state_later = async {
            tokio::time::sleep(Rules::DEFAULT.late).await;
            state_of(&function, session_id)
        };
        let (report, state_at_bound) = tokio::join!(function.handle(&messages), state_later);
        assert!(state_at_bound.lease.is_some(), "the write can still arrive");
        assert_eq!((report.synced, state_of(&function, session_id).lease), (synced, None));
        let took = began.elapsed();
        assert!(took < Rules::DEFAULT.late + Duration::from_secs(3), "{session_id} took {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn short_time_leaves_the_lease_to_run_out() {
    let limits = BatchLimits { start_reserve: Duration::from_secs(9), ..BatchLimits::default() };
    let function = Function::new(SyncState::default(), limits);
    let deadline = Instant::now() + Duration::from_secs(12);
    let report = function.handler.handle(&[sync_message("1", "unanswered")], &function.queue, deadline).await;
    assert_eq!((report.failed, report.synced), (vec!["1".to_owned()], 0));
    assert!(state_of(&function, "unanswered").lease.is_some() && Instant::now() < deadline);
}

/// A message received more often than a short patience allows.
fn missing_attempt() -> QueueMessage {
    let body = r#"{"type":"quiz.completed","session_id":"A","quiz_id":"q","user_id":"absent",
        "completed_at":"2024-05-01T00:00:00Z"}"#;
    QueueMessage { receive_count: 50, ..message("1", body) }
}

#[tokio::test(start_paused = true)]
async fn missing_attempt_gets_time_after_an_outage() {
    let failing = Some(Failing { since: NOW - 9_000_000, code: "source_unavailable".into() });
    let recovered = |at| Some(Recovered { since: NOW - 9_000_000, at, code: "source_unavailable".into() });
    let states = [
        (SyncState { failing, ..SyncState::default() }, 0),
        (SyncState { recovered: recovered(NOW - 60_000), ..SyncState::default() }, 0),
        (SyncState { recovered: recovered(NOW - 3_600_000), ..SyncState::default() }, 1),
        (SyncState::default(), 1),
    ];
    for (state, parked) in states {
        let mut function = Function::new(state.clone(), BatchLimits::default());
        function.queue.more_receives = 595;
        let report = function.handle(&[missing_attempt()]).await;
        assert_eq!(report.parked, parked, "{state:?}");
    }
}
