//! Measures a batch of 10,000 SQS records in SNS's envelopes, for 10 test sessions: `cargo bench -p quiz-benches --bench messages`
//!
//! The handler of the functions handles the batch. All sync states are up to date, so only the work around a sync is
//! measured: read the records, group them by test session, decide, and answer.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a bench may panic")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lambda_events::sqs::SqsEvent;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use quiz_benches::completions;
use quiz_events::{QueueMessage, SessionTarget, Sink};
use quiz_lambda::sqs;
use quiz_local::{MemoryQueue, QueueSettings};
use quiz_pipeline::batch::{BatchHandler, BatchLimits};
use quiz_pipeline::ports::SystemClock;
use quiz_pipeline::{
    Coordinator, LogListener, Rules, RunScope, SessionRequest, SessionSync, SyncError, Synced,
};
use quiz_sync_state::{LastRun, StateError, StateKey, SyncState, SyncStates};
use tokio::runtime::Runtime;
use tokio::time::Instant;

const MESSAGES: u32 = 10_000;
const AN_HOUR: Duration = Duration::from_hours(1);

/// States in which all test sessions are synced.
struct AllSynced;

#[async_trait]
impl SyncStates for AllSynced {
    async fn get(&self, key: &StateKey) -> Result<SyncState, StateError> {
        let quiz_id = quiz_events::quiz_id_of(&key.session_id).unwrap_or_default().to_owned();
        let last = LastRun::default();
        Ok(SyncState { revision: 1, quiz_id, synced_through: i64::MAX, last, ..SyncState::default() })
    }

    async fn swap(&self, _key: &StateKey, _seen: &SyncState, _next: &SyncState) -> Result<bool, StateError> {
        Ok(true)
    }

    async fn get_unfinished(&self) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        Ok(Vec::new())
    }

    async fn get_by_quiz(&self, _quiz_ids: &[String]) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        Ok(Vec::new())
    }
}

/// Finds each user's attempt, and never syncs.
struct NoSync;

#[async_trait]
impl SessionSync for NoSync {
    async fn sync(&self, _request: &SessionRequest, _scope: &RunScope) -> Result<Synced, SyncError> {
        panic!("all test sessions are synced");
    }

    async fn ended(
        &self,
        _target: &SessionTarget,
        user_ids: &[String],
    ) -> Result<HashMap<String, Option<Timestamp>>, SyncError> {
        Ok(user_ids.iter().map(|user| (user.clone(), None)).collect())
    }
}

fn messages(criterion: &mut Criterion) {
    let clock = Arc::new(SystemClock);
    let handler = BatchHandler {
        sync: Arc::new(NoSync),
        coordinator: Coordinator::new(Arc::new(AllSynced), clock.clone(), Sink::Reports, Rules::default()),
        listener: Arc::new(LogListener),
        clock: clock.clone(),
        limits: BatchLimits::default(),
    };
    let settings = QueueSettings { visibility_timeout: AN_HOUR, max_receive_count: None };
    let queue = MemoryQueue::new(settings, clock);
    let runtime = Runtime::new().unwrap();
    let handle = |messages: &[QueueMessage]| {
        let report = runtime.block_on(handler.handle(messages, &queue, Instant::now() + AN_HOUR));
        assert_eq!(report.absorbed, messages.len(), "{report:?}");
    };
    let records = completions(MESSAGES).unwrap();
    let bytes = serde_json::to_vec(&serde_json::json!({
        "Records": records.iter().map(|completion| &completion.record).collect::<Vec<_>>()
    }))
    .unwrap();
    let read = |bytes: &[u8]| {
        let event: SqsEvent = serde_json::from_slice(bytes).unwrap();
        sqs::messages(event)
    };
    let messages = read(&bytes);
    let mut group = criterion.benchmark_group("10,000 records");
    group.throughput(Throughput::Elements(u64::from(MESSAGES))).sample_size(20);
    group.bench_function("parsed and coalesced", |bencher| bencher.iter(|| handle(black_box(&messages))));
    group.bench_function("the same, from the bytes of Lambda's event", |bencher| {
        bencher.iter_batched(|| bytes.clone(), |bytes| handle(&read(&bytes)), BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, messages);
criterion_main!(benches);
