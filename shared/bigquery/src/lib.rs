//! The warehouse on BigQuery.
//!
//! One load job puts a batch's rows into a staging table, then one transaction replaces the rows of its test sessions in all
//! tables. [`BigQueryWarehouse`] implements the port; [`BigQueryInspector`] serves `quiz-etl doctor`, [`BigQueryEraser`]
//! serves `quiz-etl erase`.
//! Decision: `docs/decisions/0006-replace-rows.md`; tables: `docs/WAREHOUSE.md`.

mod answer;
mod api;
mod credentials;
mod erase;
mod error;
mod existing;
mod federation;
mod inspect;
mod jobs;
mod location;
mod replace;
mod schema;
mod sql;
mod tables;
mod upload;
mod warehouse;

pub use api::Retries;
pub use credentials::{Credentials, CredentialsSource};
pub use erase::{BigQueryEraser, StudentRows};
pub use error::{BigQueryError, ErrorKind};
pub use existing::{Refusal, TableDifferences};
pub use inspect::BigQueryInspector;
pub use location::BigQueryLocation;
pub use schema::{ddl, page};
pub use upload::UploadSizes;
pub use warehouse::{BYTES_PER_JOB, BigQueryWarehouse, Settings};
