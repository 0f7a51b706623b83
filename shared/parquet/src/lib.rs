//! Result rows as Parquet: a staging file that holds the rows of several tests and tables, written row
//! group by row group as the rows are made, and the finished files of one table.
//!
//! A staging file has the columns of all tables, and [`ROW_TABLE`] that tells each row's table: so one file,
//! and one load job, serves them all. It lacks the columns that all rows of a test share and that are known
//! only when all is read: [`quiz_domain::rows::START_DATE`] and [`quiz_domain::rows::INSERTED_AT`].

mod error;
mod export;
mod frame;
mod group_reader;
mod output;
mod row_groups;
mod staging;
mod writer;

pub use error::ParquetError;
pub use export::{TestValues, write_table};
pub use staging::{Group, OpenStaging, ROW_TABLE, StagingFile, staging_columns};
