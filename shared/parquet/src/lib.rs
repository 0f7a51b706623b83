//! Writes warehouse rows as Parquet files.
//!
//! A sync can make more rows than fit in memory, and BigQuery limits the number of load jobs. So rows go to a staging file
//! first ([`StagingWriter`]). It takes rows of several test sessions and tables, and writes each row group as soon as its
//! rows are made. One load job then loads all of them.
//!
//! A staging file has the columns of all tables, and [`ROW_TABLE`] names the table of each row. It lacks the two columns
//! whose values all rows of a test session share, [`quiz_domain::rows::START_DATE`] and
//! [`quiz_domain::rows::INSERTED_AT`]: their values are known only after all attempts are read. [`write_table`] adds these
//! columns where it makes the finished file of one table.
//!
//! Invariant: the same rows give the same bytes, with any number of threads.

mod error;
mod export;
mod frame;
mod group_reader;
mod output;
mod row_groups;
mod staging;
mod writer;

pub use error::ParquetError;
pub use export::{SharedValues, write_table};
pub use staging::{Group, ROW_TABLE, StagingFile, StagingWriter, staging_columns};
