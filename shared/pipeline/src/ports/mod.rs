//! The ports: the traits that adapters implement for the engine.

mod attempts;
mod clock;
mod completions;
mod fence;
mod sent;
mod snapshots;
mod source;
mod store;
mod stored;
mod warehouse;

pub use attempts::{AttemptBatch, AttemptStream};
pub use clock::{Clock, SystemClock};
pub use completions::{CompletedQuiz, LastAnswer};
pub use fence::Fence;
pub use sent::SentWrite;
pub use snapshots::SnapshotStore;
pub use source::{AnswerSource, DocumentStream, QuizDocuments, SourceError};
pub use store::{ItemStream, PutOutcome, Refusal, ReportReader, ReportStore, StoreError};
pub use stored::StoredItems;
pub use warehouse::{SharedCause, StagedSession, Warehouse, WarehouseBatch, WarehouseError};
