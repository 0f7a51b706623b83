//! Reports in DynamoDB: [`ReportStore`](quiz_pipeline::ports::ReportStore) by BatchWriteItem and Query; the sync states,
//! by conditional PutItem; and [snapshots](quiz_pipeline::ports::SnapshotStore), by PutItem and GetItem.
//!
//! **Who retries what**: writes are sent once by the AWS SDK (its retries are off) and retried by this
//! crate alone, whole requests and unprocessed items by the same backoff; reads are retried by the SDK
//! alone. So the two never multiply.

mod batches;
mod clients;
mod error;
mod inspect;
mod item;
mod limits;
mod measure;
mod names;
mod snapshots;
mod states;
mod store;
mod window;
mod writer;

pub use error::DynamoError;
pub use inspect::{IndexFacts, InspectError, KeyAttribute, KeyFacts, TableFacts, TableInspector};
pub use item::can_hold;
pub use limits::WriteLimits;
pub use names::TableNames;
pub use snapshots::DynamoSnapshots;
pub use states::DynamoStates;
pub use store::DynamoStore;
