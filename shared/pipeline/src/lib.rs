//! The sync engine: a batch of messages in, each test of it read, scored, ranked and written, each
//! message acknowledged, returned or parked. Its ports are the traits in [`ports`]; it knows no
//! technology.

pub mod batch;
mod engine;
mod error;
mod listener;
mod notices;
mod outcome;
pub mod ports;
mod report_sink;
mod request;
mod sink;
mod sync;
mod warehouse_sink;

pub use engine::Engine;
pub use error::SyncError;
pub use listener::{Failure, Listener, LogListener};
pub use notices::NoticeListener;
pub use outcome::SyncOutcome;
pub use report_sink::ReportSink;
pub use request::SessionRequest;
pub use sink::{ResultSink, SinkBatch, SinkCounts, SinkError, TestWriter};
pub use sync::{SessionSync, SyncBatch, Synced};
pub use warehouse_sink::WarehouseSink;
