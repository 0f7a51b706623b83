//! The sync engine: it takes a batch of messages, reads, scores, ranks and writes each test session, and acknowledges,
//! delays or parks each message. Its ports are the traits in [`ports`]; it depends on no technology.

pub mod batch;
mod coordinator;
mod dependency;
mod engine;
mod error;
mod listener;
mod metrics;
mod notices;
mod outcome;
pub mod ports;
mod progress;
mod report_sink;
mod request;
mod scope;
mod sink;
mod stopwatch;
mod sync;
mod warehouse_sink;

pub use coordinator::Coordinator;
pub use dependency::Dependency;
pub use engine::{Engine, Snapshots};
pub use error::SyncError;
pub use listener::{
    Absorbed, Failure, Held, LONGEST_CHAIN, Listener, Listeners, LogListener, Patience, SHORT_PATIENCE,
};
pub use metrics::{
    Dimension, METRICS, Meter, Metric, MetricsListener, OLDEST_BEHIND, RECONCILE_METRICS, SYNCS_REQUESTED,
    TESTS_BEHIND, UNKNOWN_TESTS, Unit, metrics_page,
};
pub use notices::NoticeListener;
pub use outcome::SyncOutcome;
pub use progress::WriteProgress;
pub use quiz_sync_state::Rules;
pub use report_sink::ReportSink;
pub use request::SessionRequest;
pub use scope::RunScope;
pub use sink::{ResultSink, SessionWriter, SinkCounts, SinkError};
pub use sync::{SessionSync, Synced};
pub use warehouse_sink::WarehouseSink;
