//! What the engine needs from the world.

mod clock;
mod fence;
mod source;
mod store;
mod warehouse;

pub use clock::{Clock, SystemClock};
pub use fence::Fence;
pub use quiz_messaging::{Cause, Notices, ParkCause, QueueError, SourceQueue, SourceQueues, with_causes};
pub use quiz_sync_state::{StateError, StateKey, StateReader, SyncStates};
pub use source::{AnswerSource, DocumentStream, QuizDocuments, SourceError};
pub use store::{ItemStream, PutOutcome, Refusal, ReportReader, ReportStore, StoreError};
pub use warehouse::{SharedCause, StagedTest, Warehouse, WarehouseBatch, WarehouseError};
