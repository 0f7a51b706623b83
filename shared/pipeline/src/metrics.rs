//! The names, units and meanings of all metrics.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quiz_events::{ParkCause, QueueMessage, SessionChange, SessionTarget, Sink};

use crate::listener::{Absorbed, Failure, Listener};
use crate::outcome::SyncOutcome;
use crate::stopwatch::millis;

/// A unit as CloudWatch names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Count,
    Milliseconds,
}

impl Unit {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "Bytes",
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// A metric with its meaning, as docs/METRICS.md shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub unit: Unit,
    pub meaning: &'static str,
}

impl Metric {
    const fn new(name: &'static str, unit: Unit, meaning: &'static str) -> Self {
        Self { name, unit, meaning }
    }
}

const SYNCS_FINISHED: Metric = Metric::new("SyncsFinished", Unit::Count, "complete syncs");
const SYNCS_FAILED: Metric =
    Metric::new("SyncsFailed", Unit::Count, "failed syncs: their messages are retried or parked");
const SYNCS_PAUSED: Metric = Metric::new(
    "SyncsPaused",
    Unit::Count,
    "syncs stopped near the deadline; a follow-up continues each of them",
);
const PARTICIPANTS: Metric = Metric::new("Takers", Unit::Count, "participants in one finished sync");
const ROWS_WRITTEN: Metric =
    Metric::new("RowsWritten", Unit::Count, "report items or warehouse rows that one finished sync wrote");
const ITEMS_UNCHANGED: Metric =
    Metric::new("ItemsUnchanged", Unit::Count, "report items that one finished sync left as they were");
const LAG: Metric = Metric::new(
    "Lag",
    Unit::Milliseconds,
    "from the newest completion, by the clock of its sender, to the end of the sync",
);
const SYNC_DURATION: Metric =
    Metric::new("SyncDuration", Unit::Milliseconds, "from the start of the read to the end of the sync");
const SOURCE_TIME: Metric =
    Metric::new("SourceTime", Unit::Milliseconds, "the part of SyncDuration that waits for MongoDB");
const SINK_TIME: Metric = Metric::new(
    "SinkTime",
    Unit::Milliseconds,
    "the part of SyncDuration that waits for DynamoDB or BigQuery",
);
const MESSAGES_COALESCED: Metric =
    Metric::new("MessagesCoalesced", Unit::Count, "messages served by a sync that another message requested");
const MESSAGES_PARKED: Metric =
    Metric::new("MessagesParked", Unit::Count, "messages moved to the dead-letter queue with their cause");
const MESSAGES_WAITING: Metric = Metric::new(
    "MessagesWaiting",
    Unit::Count,
    "messages put back into the queue after a failure, counted each time",
);
const FOLLOW_UP_DEPTH: Metric = Metric::new(
    "FollowUpDepth",
    Unit::Count,
    "follow-ups of one test session in a row, each sent by the sync of the one before",
);

const SESSION_CHANGES: Metric = Metric::new(
    "SessionChanges",
    Unit::Count,
    "messages of quiz-creator and the LMS, acknowledged without a sync",
);

const BYTES_BILLED: Metric =
    Metric::new("BytesBilled", Unit::Bytes, "bytes that BigQuery billed for the transaction of a batch");

pub const TESTS_BEHIND: Metric =
    Metric::new("TestsBehind", Unit::Count, "stale test sessions with no sync running, counted in each sink");
pub const OLDEST_BEHIND: Metric = Metric::new(
    "OldestBehind",
    Unit::Milliseconds,
    "how long the oldest of them has been stale; 0 without any",
);
pub const SYNCS_REQUESTED: Metric =
    Metric::new("SyncsRequested", Unit::Count, "test sessions that reconcile requested");
pub const UNKNOWN_TESTS: Metric = Metric::new(
    "UnknownTests",
    Unit::Count,
    "quizzes completed within two days whose test session no event has named",
);

/// The metrics of each pass of reconcile.
pub const RECONCILE_METRICS: [Metric; 4] = [TESTS_BEHIND, OLDEST_BEHIND, SYNCS_REQUESTED, UNKNOWN_TESTS];

/// The metrics of syncs.
pub const METRICS: [Metric; 16] = [
    SYNCS_FINISHED,
    SYNCS_FAILED,
    SYNCS_PAUSED,
    PARTICIPANTS,
    ROWS_WRITTEN,
    ITEMS_UNCHANGED,
    LAG,
    SYNC_DURATION,
    SOURCE_TIME,
    SINK_TIME,
    MESSAGES_COALESCED,
    MESSAGES_WAITING,
    MESSAGES_PARKED,
    FOLLOW_UP_DEPTH,
    SESSION_CHANGES,
    BYTES_BILLED,
];

/// The dimension of measurements: CloudWatch keeps each one apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// `reports` or `warehouse`.
    Sink(Sink),
    /// A function that has no sink, such as `reconcile`.
    Function(&'static str),
}

impl Dimension {
    /// The dimension's name and its value.
    #[must_use]
    pub fn name_and_value(self) -> (&'static str, &'static str) {
        match self {
            Self::Sink(sink) => ("Sink", sink.as_str()),
            Self::Function(function) => ("Function", function),
        }
    }
}

/// Records measurements with one dimension.
pub trait Meter: Send + Sync {
    fn record(&self, dimension: Dimension, measured: &[(Metric, u64)]);
}

/// Measures the results of batches.
pub struct MetricsListener {
    sink: Sink,
    meter: Arc<dyn Meter>,
}

impl MetricsListener {
    /// `sink` is `reports` or `warehouse`.
    #[must_use]
    pub fn new(sink: Sink, meter: Arc<dyn Meter>) -> Self {
        Self { sink, meter }
    }

    fn record(&self, measured: &[(Metric, u64)]) {
        self.meter.record(Dimension::Sink(self.sink), measured);
    }
}

#[async_trait]
impl Listener for MetricsListener {
    async fn finished(&self, outcome: &SyncOutcome) {
        let mut measured = vec![
            (SYNCS_FINISHED, 1),
            (PARTICIPANTS, count(outcome.participants)),
            (ROWS_WRITTEN, outcome.rows_written),
            (ITEMS_UNCHANGED, outcome.unchanged),
            (SYNC_DURATION, millis(outcome.duration)),
            (SOURCE_TIME, millis(outcome.source_time)),
            (SINK_TIME, millis(outcome.sink_time)),
            (MESSAGES_COALESCED, count(outcome.messages.saturating_sub(1))),
        ];
        measured.extend(outcome.lag.map(|lag| (LAG, millis(lag))));
        self.record(&measured);
    }

    async fn failed(&self, _target: &SessionTarget, _failure: &Failure) {
        self.record(&[(SYNCS_FAILED, 1)]);
    }

    async fn waiting(&self, _message: &QueueMessage, _failure: &Failure, _wait: Duration) {
        self.record(&[(MESSAGES_WAITING, 1)]);
    }

    async fn parked(&self, _message: &QueueMessage, _cause: &ParkCause) {
        self.record(&[(MESSAGES_PARKED, 1)]);
    }

    async fn absorbed(&self, _target: &SessionTarget, how: Absorbed, messages: usize) {
        // joined messages are counted with the sync that they join
        if how == Absorbed::Covered {
            self.record(&[(MESSAGES_COALESCED, count(messages))]);
        }
    }

    async fn paused(&self, _target: &SessionTarget) {
        self.record(&[(SYNCS_PAUSED, 1)]);
    }

    async fn followed_up(&self, _target: &SessionTarget, depth: u32) {
        self.record(&[(FOLLOW_UP_DEPTH, depth.into())]);
    }

    async fn session_changed(&self, _message: &QueueMessage, _change: SessionChange) {
        self.record(&[(SESSION_CHANGES, 1)]);
    }

    async fn billed(&self, bytes: u64) {
        self.record(&[(BYTES_BILLED, bytes)]);
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The text of `docs/METRICS.md`.
#[must_use]
pub fn metrics_page() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         This page lists the CloudWatch metrics of the functions, for dashboards, alarms and queries.\n\
         `cargo run -p quiz-pipeline --example metrics_page > docs/METRICS.md` makes the page from \
         `shared/pipeline/src/metrics.rs`.\n\n\
         Each function writes its metrics to its log in CloudWatch's embedded metric format, so no call is needed.\n\
         The namespace is `METRICS_NAMESPACE`: `QuizEtl/STACK` in a deployment, else `QuizEtl`.\n\n\
         ## Syncs\n\n\
         sync-reports and sync-warehouse write these, with the dimension `Sink` (`reports` or `warehouse`):\n\n",
    );
    table(&mut page, &METRICS);
    page.push_str(
        "\nThe sum of a count is its total over the time; read `Lag` as a maximum or a high percentile.\n\n\
         ## Reconcile\n\n\
         Each pass of reconcile writes these, with the dimension `Function` (`reconcile`):\n\n",
    );
    table(&mut page, &RECONCILE_METRICS);
    page.push_str(
        "\n## Log lines\n\n\
         Each line has the request (`requestId`) and the running commit (`commit`).\n\
         A line of a sync also has `session_id`, `sink` and `generation`.\n\
         `sync finished` has `duration_ms`, `source_ms`, `sink_ms` and `lag_ms`.\n\n\
         The commit is a property of each metric line and not a dimension, so a deployment makes no new metrics.\n\
         CloudWatch Logs Insights compares commits:\n\n\
         ```\n\
         filter ispresent(SyncDuration)\n\
         | stats sum(SyncsFinished), pct(SyncDuration, 95), max(Lag) by commit, Sink\n\
         ```\n",
    );
    page
}

fn table(page: &mut String, metrics: &[Metric]) {
    page.push_str("| metric | unit | meaning |\n|---|---|---|\n");
    for Metric { name, unit, meaning } in metrics {
        page.extend(["| `", *name, "` | ", unit.name(), " | ", *meaning, " |\n"]);
    }
}
