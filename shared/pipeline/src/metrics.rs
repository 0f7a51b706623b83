//! What is measured: the names, units and meanings of all metrics, in one place.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quiz_events::{ParkCause, QueueMessage, SessionTarget, Sink};

use crate::listener::{Absorbed, Failure, Listener};
use crate::outcome::SyncOutcome;
use crate::stopwatch::millis;

/// A unit as CloudWatch names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Count,
    Milliseconds,
}

impl Unit {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

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

const SYNCS_FINISHED: Metric = Metric::new("SyncsFinished", Unit::Count, "syncs of a test that wrote all");
const SYNCS_FAILED: Metric = Metric::new(
    "SyncsFailed",
    Unit::Count,
    "tests whose sync failed: their messages come again, or are parked",
);
const SYNCS_PAUSED: Metric =
    Metric::new("SyncsPaused", Unit::Count, "syncs stopped near the deadline that a follow-up goes on with");
const TAKERS: Metric = Metric::new("Takers", Unit::Count, "students with an attempt, of one finished sync");
const ROWS_WRITTEN: Metric =
    Metric::new("RowsWritten", Unit::Count, "report items or warehouse rows that one finished sync wrote");
const ITEMS_UNCHANGED: Metric = Metric::new(
    "ItemsUnchanged",
    Unit::Count,
    "report items that one finished sync found as they should be, and did not write",
);
const LAG: Metric = Metric::new(
    "Lag",
    Unit::Milliseconds,
    "from the newest completion, by its sender's clock, to all written",
);
const SYNC_DURATION: Metric =
    Metric::new("SyncDuration", Unit::Milliseconds, "from the start of the read to all written");
const SOURCE_TIME: Metric = Metric::new("SourceTime", Unit::Milliseconds, "of it, waited for MongoDB");
const SINK_TIME: Metric =
    Metric::new("SinkTime", Unit::Milliseconds, "of it, waited for DynamoDB or BigQuery");
const MESSAGES_COALESCED: Metric =
    Metric::new("MessagesCoalesced", Unit::Count, "messages done without a sync of their own");
const MESSAGES_PARKED: Metric =
    Metric::new("MessagesParked", Unit::Count, "messages sent to the dead-letter queue with their cause");
const MESSAGES_WAITING: Metric = Metric::new(
    "MessagesWaiting",
    Unit::Count,
    "messages that failed for now and were put back into the queue, counted each time",
);
const FOLLOW_UP_DEPTH: Metric = Metric::new(
    "FollowUpDepth",
    Unit::Count,
    "how many follow-ups of one test session came in a row, each sent by the sync that the one before it began",
);

pub const TESTS_BEHIND: Metric = Metric::new(
    "TestsBehind",
    Unit::Count,
    "tests, counted in each sink, that need a sync and that nobody is at: also those that wait to be asked for again",
);
pub const OLDEST_BEHIND: Metric = Metric::new(
    "OldestBehind",
    Unit::Milliseconds,
    "for how long the oldest of them has been behind; 0 where there is none",
);
pub const SYNCS_REQUESTED: Metric =
    Metric::new("SyncsRequested", Unit::Count, "tests that were asked for again");
pub const UNKNOWN_TESTS: Metric = Metric::new(
    "UnknownTests",
    Unit::Count,
    "quizzes that students have completed within two days, and that no sync has ever named",
);

/// Those of each pass of reconcile.
pub const RECONCILE_METRICS: [Metric; 4] = [TESTS_BEHIND, OLDEST_BEHIND, SYNCS_REQUESTED, UNKNOWN_TESTS];

/// Those of the syncs.
pub const METRICS: [Metric; 14] = [
    SYNCS_FINISHED,
    SYNCS_FAILED,
    SYNCS_PAUSED,
    TAKERS,
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
];

/// CloudWatch keeps the measurements of each dimension apart.
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

/// Records measurements that belong together.
pub trait Meter: Send + Sync {
    fn record(&self, dimension: Dimension, measured: &[(Metric, u64)]);
}

/// Measures what becomes of batches.
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
            (TAKERS, count(outcome.takers)),
            (ROWS_WRITTEN, outcome.written),
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
        // what joins is counted with the sync that it joins
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
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// `docs/METRICS.md`.
#[must_use]
pub fn metrics_page() -> String {
    let mut page = String::from(
        "# Metrics\n\nMade from `shared/pipeline/src/metrics.rs` by `cargo run -p quiz-pipeline --example metrics_page > \
         docs/METRICS.md`; a test holds it to it.\n\n\
         Each function writes them as lines of its log in CloudWatch's embedded metric format, from which CloudWatch \
         makes metrics: namespace `QuizEtl` \
         (of a deployment: `QuizEtl/` and its stack's name, by `METRICS_NAMESPACE`), dimension `Sink` (`reports` or `warehouse`). No call is made for them.\n\n",
    );
    table(&mut page, &METRICS);
    page.push_str("\nEach pass of reconcile writes these, with the dimension `Function` (`reconcile`):\n\n");
    table(&mut page, &RECONCILE_METRICS);
    page.push_str(
        "\nThe sum of a count over a time is how often it happened; `Lag` is best read as its maximum or a high \
         percentile. Each line of the log names the request (`requestId`) and the commit \
         that runs (`commit`), and the lines of a test's sync its `session_id`, `sink` and `generation`; `sync \
         finished` has `duration_ms`, `source_ms`, `sink_ms` and `lag_ms`, too.\n\n\
         The lines of metrics name the commit as well. It is a property and no dimension, so that a deployment makes \
         no new metrics; CloudWatch Logs Insights compares one commit with another:\n\n\
         ```\n\
         filter ispresent(SyncDuration)\n\
         | stats sum(SyncsFinished), pct(SyncDuration, 95), max(Lag) by commit, Sink\n\
         ```\n",
    );
    page
}

fn table(page: &mut String, metrics: &[Metric]) {
    page.push_str("| metric | unit | what it is |\n|---|---|---|\n");
    for Metric { name, unit, meaning } in metrics {
        page.extend(["| `", *name, "` | ", unit.name(), " | ", *meaning, " |\n"]);
    }
}
