//! Sinks for measurements: they write no result to a service, and only [`ResultsCsv`] writes a file.

mod discarding;
mod encoding_store;
mod encoding_warehouse;
mod results_csv;

pub use discarding::DiscardingSink;
pub use encoding_store::EncodingStore;
pub use encoding_warehouse::EncodingWarehouse;
pub use results_csv::ResultsCsv;
