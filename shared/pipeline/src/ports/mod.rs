//! What the engine needs from the world.

mod clock;
mod source;
mod store;
mod warehouse;

pub use clock::{Clock, SystemClock};
pub use quiz_messaging::{Cause, Notices, ParkCause, QueueError, SourceQueue, SourceQueues, with_causes};
pub use source::{AnswerSource, DocumentStream, QuizDocuments, SourceError};
pub use store::{PutOutcome, Refusal, ReportStore, StoreError};
pub use warehouse::{SharedCause, StagedTest, Warehouse, WarehouseBatch, WarehouseError};
