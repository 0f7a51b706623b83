//! The deployment on embedded adapters: two sync functions, their queues, the function of notices, and reconcile.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use notify_discord::Notifier;
use quiz_domain::KeyDigest;
use quiz_domain::reports::ReportFormats;
use quiz_events::{
    Backoff, MOST_RECEIVES, Notice, Notices, PublishError, QueueMessage, RequestTopic, SyncRequest,
};
use quiz_lambda::config::PassLimits;
use quiz_lambda::sqs::MessageHandler;
use quiz_local::{MemoryQueue, ParquetWarehouse, QueueSettings, SqliteStore};
use quiz_pipeline::batch::BatchHandler;
use quiz_pipeline::ports::{Clock, CompletedQuiz, LastAnswer, SourceError, Warehouse};
use quiz_pipeline::{Dimension, Meter, Metric, NoticeListener, ReportSink, ResultSink, Rules, WarehouseSink};
use quiz_suites::exam::Documents;
use quiz_suites::function::SyncFunction;
use quiz_suites::hooked::Hooked;
use reconcile::{Answers, Reconciler, Window};
use tokio::time::Instant;

use crate::outage::discord::{Discord, FakeMemory};
use crate::outage::services::{Service, Time};

/// The most messages in a batch.
const BATCH: usize = 10;
/// The time between two polls of an empty queue.
const POLL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_mins(5);
const BETWEEN_PASSES: Duration = Duration::from_mins(15);
const LOOKBACK: Duration = Duration::from_hours(24);

/// A topic that sends each accepted message to all its queues.
pub struct Topic {
    time: Arc<Time>,
    queues: Vec<Arc<MemoryQueue>>,
}

impl Topic {
    /// Returns whether SNS accepted the message.
    pub async fn publish(&self, body: &str, event_type: Option<&str>) -> bool {
        let accepts = self.time.answers(Service::Sns).await;
        if accepts {
            self.queues.iter().for_each(|queue| drop(queue.send(body, event_type)));
        }
        accepts
    }
}

#[async_trait]
impl Notices for Topic {
    async fn send(&self, notices: Vec<Notice>) {
        for notice in notices {
            Topic::publish(self, &serde_json::to_string(&notice).unwrap(), None).await;
        }
    }
}

#[async_trait]
impl RequestTopic for Topic {
    async fn publish(&self, requests: &[SyncRequest]) -> Vec<Result<(), PublishError>> {
        let mut results = Vec::new();
        for request in requests {
            let accepted =
                Topic::publish(self, &request.to_json().to_string(), Some(SyncRequest::TYPE)).await;
            let down = || PublishError::Unavailable { topic: "quiz-events".into(), cause: "no route".into() };
            results.push(accepted.then_some(()).ok_or_else(down));
        }
        results
    }
}

struct NoMetrics;

impl Meter for NoMetrics {
    fn record(&self, _: Dimension, _: &[(Metric, u64)]) {}
}

/// The newest answer of each quiz.
pub struct NewestAnswers {
    pub time: Arc<Time>,
    pub answers: Mutex<HashMap<String, Timestamp>>,
}

impl NewestAnswers {
    async fn mongodb<T>(&self, answer: T) -> Result<T, SourceError> {
        if self.time.answers(Service::MongoDb).await {
            return Ok(answer);
        }
        Err(SourceError::Unavailable { what: "answers".into(), cause: "no route".into() })
    }
}

#[async_trait]
impl Answers for NewestAnswers {
    async fn answered(&self, window: Window, _: Duration) -> Result<Vec<LastAnswer>, SourceError> {
        let answers = self.answers.lock().unwrap().clone();
        let within = |at: &Timestamp| window.since <= *at && *at < window.until;
        let answers = answers.into_iter().filter(|(_, at)| within(at));
        self.mongodb(answers.map(|(quiz_id, at)| LastAnswer { quiz_id, at }).collect()).await
    }

    async fn completed(
        &self,
        _: &[String],
        _: Window,
        _: Duration,
    ) -> Result<Vec<CompletedQuiz>, SourceError> {
        self.mongodb(Vec::new()).await
    }

    async fn keys(&self, _: &[String]) -> Result<HashMap<String, KeyDigest>, SourceError> {
        self.mongodb(HashMap::new()).await
    }

    async fn titles(&self, quiz_ids: &[String]) -> Result<HashMap<String, Option<String>>, SourceError> {
        self.mongodb(quiz_ids.iter().map(|id| (id.clone(), None)).collect()).await
    }
}

/// A sink with its queue.
pub struct Lane {
    pub queue: Arc<MemoryQueue>,
    handler: BatchHandler,
}

pub struct Pipeline {
    pub time: Arc<Time>,
    pub documents: Arc<Documents>,
    pub newest: Arc<NewestAnswers>,
    pub store: Arc<SqliteStore>,
    pub rows: ParquetWarehouse,
    pub events: Arc<Topic>,
    pub lanes: Vec<Lane>,
    pub notices: Arc<MemoryQueue>,
    pub discord: Arc<Discord>,
    notifier: Notifier,
    reconciler: Reconciler,
}

impl Pipeline {
    pub fn new(time: Arc<Time>, folder: &Path) -> Self {
        let queue = |visibility| {
            let settings =
                QueueSettings { visibility_timeout: visibility, max_receive_count: Some(MOST_RECEIVES) };
            Arc::new(MemoryQueue::new(settings, time.clone()))
        };
        let notices = queue(Duration::from_mins(7));
        let notices_topic = Arc::new(Topic { time: time.clone(), queues: vec![notices.clone()] });
        let store = Arc::new(SqliteStore::open(":memory:").unwrap());
        let rows = ParquetWarehouse::new(folder.join("warehouse"));
        let documents: Arc<Documents> = Arc::default();
        let gated_store = Arc::new(Hooked::new(store.clone(), time.clone()));
        let warehouse: Arc<dyn Warehouse> = Arc::new(rows.clone());
        let warehouse = Arc::new(Hooked::new(warehouse, time.clone()));
        let reports = ReportSink::new(gated_store.clone(), ReportFormats { v1: true, v2: true });
        let sinks: [Arc<dyn ResultSink>; 2] = [Arc::new(reports), Arc::new(WarehouseSink::new(warehouse))];
        let lanes: Vec<Lane> = sinks
            .into_iter()
            .map(|sink| {
                let source = Arc::new(Hooked::new(documents.clone(), time.clone()));
                let listener = NoticeListener::new(sink.sink(), notices_topic.clone(), time.clone());
                let handler = SyncFunction::new(gated_store.clone())
                    .clock(time.clone())
                    .rules(Rules::default())
                    .listener(Arc::new(listener.without_outages()))
                    .handler(source, sink);
                Lane { queue: queue(Duration::from_mins(31)), handler }
            })
            .collect();
        let queues = lanes.iter().map(|lane| lane.queue.clone()).collect();
        let events = Arc::new(Topic { time: time.clone(), queues });
        let newest = Arc::new(NewestAnswers { time: time.clone(), answers: Mutex::default() });
        let discord = Arc::new(Discord::new(time.clone()));
        let memory = Arc::new(FakeMemory::new(time.clone()));
        let reconciler = Reconciler {
            states: gated_store,
            answers: newest.clone(),
            events: events.clone(),
            notices: Some(notices_topic),
            meter: Arc::new(NoMetrics),
            clock: time.clone(),
            limits: PassLimits::default(),
        };
        let notifier = Notifier { channel: discord.clone(), memory, backoff: Backoff::default() };
        Self { time, documents, newest, store, rows, events, lanes, notices, discord, notifier, reconciler }
    }

    /// Runs all functions until it is dropped.
    pub async fn run(&self) {
        let [reports, warehouse] = &self.lanes[..] else { panic!("two sinks") };
        tokio::join!(
            function(&reports.queue, async |messages| sync(reports, messages).await),
            function(&warehouse.queue, async |messages| sync(warehouse, messages).await),
            function(&self.notices, async |messages| {
                self.notifier.handle(messages, &*self.notices, Instant::now() + Duration::from_mins(1)).await
            }),
            self.reconcile(),
        );
    }

    async fn reconcile(&self) {
        loop {
            tokio::time::sleep(BETWEEN_PASSES).await;
            // a pass that fails leaves the rest to the next pass
            let _ = self.reconciler.pass(LOOKBACK, Instant::now() + TIMEOUT).await;
        }
    }

    /// Counts the messages in all queues.
    pub fn in_queues(&self) -> usize {
        self.lanes.iter().map(|lane| lane.queue.len()).sum::<usize>() + self.notices.len()
    }

    pub fn parked(&self) -> usize {
        let lanes = self.lanes.iter().map(|lane| lane.queue.dead_letter_count());
        lanes.sum::<usize>() + self.notices.dead_letter_count()
    }

    pub fn now(&self) -> Timestamp {
        self.time.now()
    }
}

async fn sync(lane: &Lane, messages: &[QueueMessage]) -> Vec<String> {
    lane.handler.handle(messages, &*lane.queue, Instant::now() + TIMEOUT).await.failed
}

/// Polls a queue like Lambda, one batch after the other.
async fn function(queue: &MemoryQueue, handle: impl AsyncFn(&[QueueMessage]) -> Vec<String>) {
    loop {
        let messages = queue.receive(BATCH);
        if messages.is_empty() {
            tokio::time::sleep(POLL).await;
            continue;
        }
        let failed = handle(&messages).await;
        for message in messages.iter().filter(|message| !failed.contains(&message.message_id)) {
            queue.delete(&message.receipt_handle);
        }
    }
}
