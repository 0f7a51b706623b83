//! Makes the rows of the warehouse tables `test_responses`, `all_responses_question_level` and `all_responses_form_level`.
//!
//! Each table has one list of columns here: name, type, description, and the function that makes the cell. The DDL, the
//! Parquet files and `docs/WAREHOUSE.md` are derived from these lists, so a new column is added in one place.
//!
//! Rows of questions and forms are made while the attempts are read. Rows of tests need ranks, so they are made after
//! [`SessionScorer::finish`](crate::SessionScorer::finish).

mod batch;
mod cell;
mod forms;
mod questions;
mod schema;
mod test_responses;

use jiff::civil::Date;
use thiserror::Error;

pub use batch::{ColumnData, RowBatch, Texts, days_since_1970};
pub use cell::{Cell, CellType};
pub use forms::append_form;
pub use questions::QuestionRows;
pub use schema::{ColumnSpec, INSERTED_AT, START_DATE, WarehouseTable};
pub use test_responses::{SectionRow, section_rows};

use crate::rank::test_results::SessionResult;
use crate::read::time::to_india_time;
use crate::reports::Stamp;

/// A date that BigQuery cannot hold. A retry cannot help: the schedule or the documents must change.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("session {session_id}: the {what} {date} is not between the years 1 and 9999")]
pub struct DateOutOfRange {
    pub session_id: String,
    pub what: &'static str,
    pub date: Date,
}

/// The day of a test session in India. All its rows have this day in their partition column.
///
/// # Errors
/// [`DateOutOfRange`] where the start or the end is a date that BigQuery refuses.
pub fn start_date(test: &SessionResult, stamp: Stamp) -> Result<Date, DateOutOfRange> {
    let start = to_india_time(test.began(stamp.written_at)).date();
    let end = test.session.end.or(test.quiz.session_end).map(|end| to_india_time(end).date());
    for (what, date) in [("start date", Some(start)), ("end date", end)] {
        if let Some(date) = date.filter(|date| !(1..=9999).contains(&date.year())) {
            return Err(DateOutOfRange { session_id: test.session.session_id.clone(), what, date });
        }
    }
    Ok(start)
}
