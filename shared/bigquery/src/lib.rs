//! The warehouse on BigQuery: a batch's rows are loaded by one job into a staging table of their own, then
//! one transaction replaces the rows of its tests in all tables.

mod answer;
mod api;
mod credentials;
mod error;
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
pub use error::{BigQueryError, ErrorKind};
pub use inspect::{BigQueryInspector, TableFacts};
pub use location::BigQueryLocation;
pub use schema::{ddl, page};
pub use upload::UploadSizes;
pub use warehouse::{BigQueryWarehouse, Settings};
