//! DynamoDB as the store of three ports.
//!
//! - [`DynamoStore`] is a [`ReportStore`](quiz_pipeline::ports::ReportStore): it writes reports with BatchWriteItem and
//!   reads them with Query.
//! - [`DynamoStates`] holds the sync states, replaces them with conditional PutItem, and makes their indexes.
//! - [`DynamoSnapshots`] is a [`SnapshotStore`](quiz_pipeline::ports::SnapshotStore) with PutItem and GetItem.
//!
//! [`TableInspector`] describes tables for the doctor verb, [`StudentEraser`] erases a student for the erase verb.
//!
//! **Retries**: only one layer retries a request, so that retries never multiply. Writes of reports and snapshots have
//! the SDK's retries switched off; this crate repeats whole requests and unprocessed items with one backoff. The SDK
//! retries reads and all requests of the sync states.

mod batches;
mod clients;
mod erase;
mod error;
mod inspect;
mod item;
mod limits;
mod measure;
mod names;
mod snapshots;
mod state_index;
mod states;
mod store;
mod window;
mod writer;

pub use erase::{StudentEraser, StudentItem};
pub use error::DynamoError;
pub use inspect::{IndexFacts, InspectError, KeyAttribute, KeyFacts, TableFacts, TableInspector};
pub use item::can_hold;
pub use limits::WriteLimits;
pub use names::TableNames;
pub use snapshots::DynamoSnapshots;
pub use state_index::IndexProgress;
pub use states::DynamoStates;
pub use store::DynamoStore;
