//! What the engine needs from the world.

mod clock;
mod queue;
mod source;
mod store;

pub use clock::{Clock, SystemClock};
pub use queue::{ParkCause, QueueError, SourceQueue, SourceQueues};
pub use source::{AnswerSource, DocumentStream, QuizDocuments, SourceError};
pub use store::{PutOutcome, Refusal, ReportStore, StoreError};

/// An adapter's own error, as the cause of a port's.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;
