//! The parts that outlive the workers: documents, queues, stores, states, and the time.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use quiz_domain::reports::ReportFormats;
use quiz_events::{QueueMessage, Sink};
use quiz_local::{MemoryQueue, ParquetWarehouse, QueueSettings, SqliteStore};
use quiz_pipeline::batch::BatchLimits;
use quiz_pipeline::ports::{AnswerSource, Clock, ReportStore, SnapshotStore, Warehouse};
use quiz_pipeline::{ReportSink, ResultSink, Rules, Snapshots, WarehouseSink};
use quiz_suites::function::SyncFunction;
use quiz_suites::snapshots::MemorySnapshots;
use quiz_sync_state::SyncStates;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::oracle::bugs::Bug;
use crate::oracle::documents::Documents;
use crate::oracle::ports::Simulated;
use crate::oracle::sim::Party;

/// A function's time for one batch.
const FUNCTION: Duration = Duration::from_secs(90);
const BATCH: usize = 4;
/// Receives of a message before its queue moves the message to the dead-letter queue, without a cause.
pub const RECEIVES: u32 = 5;

/// The shared clock: tokio's time, which only the scheduler moves.
#[derive(Clone, Copy)]
pub struct Time(Instant);

impl Time {
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Time {
    fn now(&self) -> Timestamp {
        let start = Timestamp::from_second(1_714_500_000).unwrap();
        start + SignedDuration::try_from(self.0.elapsed()).unwrap()
    }
}

pub struct Deployment {
    pub time: Arc<Time>,
    pub documents: Arc<Documents>,
    pub reports: Lane,
    pub warehouse: Option<Lane>,
    pub store: Arc<SqliteStore>,
    pub rows: ParquetWarehouse,
    snapshots: Arc<MemorySnapshots>,
    pub rules: Rules,
    pub bug: Option<Bug>,
    _folder: TempDir,
}

/// A sink's queue.
pub struct Lane {
    pub queue: Arc<MemoryQueue>,
}

impl Deployment {
    pub fn new(rules: Rules, with_warehouse: bool, bug: Option<Bug>) -> Self {
        let time = Arc::new(Time::start());
        let folder = tempfile::tempdir().unwrap();
        let lane = || {
            let settings = QueueSettings {
                visibility_timeout: Duration::from_mins(2),
                max_receive_count: Some(RECEIVES),
            };
            Lane { queue: Arc::new(MemoryQueue::new(settings, time.clone())) }
        };
        Self {
            documents: Arc::default(),
            reports: lane(),
            warehouse: with_warehouse.then(lane),
            store: Arc::new(SqliteStore::open(":memory:").unwrap()),
            snapshots: Arc::default(),
            rows: ParquetWarehouse::new(folder.path().join("warehouse")),
            time,
            rules,
            bug,
            _folder: folder,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.time.now()
    }

    pub fn lanes(&self) -> impl Iterator<Item = (Sink, &Lane)> {
        let warehouse = self.warehouse.iter().map(|lane| (Sink::Warehouse, lane));
        std::iter::once((Sink::Reports, &self.reports)).chain(warehouse)
    }

    pub fn lane(&self, sink: Sink) -> &Lane {
        match (sink, &self.warehouse) {
            (Sink::Warehouse, Some(lane)) => lane,
            _ => &self.reports,
        }
    }

    /// Sends the message to every sink's queue, as SNS does.
    pub fn publish(&self, body: &str, event_type: Option<&str>) {
        for (_, lane) in self.lanes() {
            lane.queue.send(body, event_type);
        }
    }

    fn sink(&self, sink: Sink, party: &Party) -> Arc<dyn ResultSink> {
        let (party, bug) = (party.clone(), self.bug);
        match sink {
            Sink::Reports => {
                let inner: Arc<dyn ReportStore> = self.store.clone();
                let store = Simulated { party, bug, inner };
                Arc::new(ReportSink::new(Arc::new(store), ReportFormats { v1: true, v2: true }))
            }
            Sink::Warehouse => {
                let inner: Arc<dyn Warehouse> = Arc::new(self.rows.clone());
                Arc::new(WarehouseSink::new(Arc::new(Simulated { party, bug, inner })))
            }
        }
    }

    /// One invocation of a function: receives a batch, handles the messages, and deletes those that did not fail.
    pub async fn invocation(self: Arc<Self>, sink: Sink, party: Party) {
        let queue = Simulated { party: party.clone(), bug: None, inner: self.lane(sink).queue.clone() };
        let messages: Vec<QueueMessage> = queue.inner.receive(BATCH);
        if self.bug == Some(Bug::AcknowledgedFirst) {
            for message in &messages {
                queue.delete_answered(message).await;
            }
        }
        let bug = self.bug;
        let states: Arc<dyn SyncStates> = self.store.clone();
        let states = Simulated { party: party.clone(), bug, inner: states };
        let source: Arc<dyn AnswerSource> = self.documents.clone();
        let source = Simulated { party: party.clone(), bug, inner: source };
        let snapshots: Arc<dyn SnapshotStore> = self.snapshots.clone();
        let snapshots = Simulated { party: party.clone(), bug, inner: snapshots };
        let handler = SyncFunction::new(Arc::new(states))
            .clock(self.time.clone())
            .rules(self.rules)
            .limits(BatchLimits { concurrency: 2, ..BatchLimits::default() })
            .snapshots(Snapshots::new(Arc::new(snapshots), "oracle").from(1))
            .handler(Arc::new(source), self.sink(sink, &party));
        let report = handler.handle(&messages, &queue, Instant::now() + FUNCTION).await;
        for message in messages {
            if !report.failed.contains(&message.message_id) {
                queue.delete_answered(&message).await;
            }
        }
    }
}
