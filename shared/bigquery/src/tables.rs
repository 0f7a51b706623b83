//! Checks the tables before the first write, and creates what is missing.

use gcp_bigquery_client::model::table::Table;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use quiz_domain::rows::WarehouseTable;

use crate::api::Api;
use crate::error::{BigQueryError, ErrorKind};
use crate::jobs;
use crate::schema::{Differences, add_column, ddl, differences};
use crate::sql::{GENERATIONS, create_generations};

/// Creates missing tables and adds missing nullable columns, in a job whose name begins with `name`. Returns the day after
/// the creation of [`GENERATIONS`].
///
/// # Errors
/// [`ErrorKind::Refused`] with every other difference between a table and the columns that a sync writes.
pub(crate) async fn ensure(api: &Api, name: &str) -> Result<Date, BigQueryError> {
    let mut statements = Vec::new();
    let mut wrong = Vec::new();
    let generations = api.table(GENERATIONS).await?;
    if generations.is_none() {
        statements.push(create_generations(&api.full_name(GENERATIONS)));
    }
    let since = generations
        .and_then(|table| created_on(&table))
        .or_else(|| day_after(Timestamp::now()))
        .unwrap_or(Date::MAX);
    for table in WarehouseTable::ALL {
        let full_name = api.full_name(table.name());
        match api.table(table.name()).await? {
            None => statements.push(ddl(table, &full_name)),
            Some(actual) => {
                let found = check(table, &actual);
                wrong.extend(
                    found.wrong.into_iter().map(|difference| format!("table {full_name}: {difference}")),
                );
                statements.extend(found.missing.into_iter().map(|column| add_column(column, &full_name)));
            }
        }
    }
    if !wrong.is_empty() {
        return Err(BigQueryError::new(ErrorKind::Refused, wrong.join("; ")));
    }
    if statements.is_empty() {
        return Ok(since);
    }
    tracing::info!(statements = statements.len(), "creating missing tables or columns");
    let job_id = format!("{name}_tables");
    let job = jobs::query(api, &job_id, statements.join(";\n") + ";", Vec::new());
    let started = api.start(&job_id, &job).await?;
    jobs::wait(api, &job_id, started).await.map(|_| since)
}

fn created_on(table: &Table) -> Option<Date> {
    let millis = table.creation_time.as_ref()?.parse().ok()?;
    day_after(Timestamp::from_millisecond(millis).ok()?)
}

/// The day after a moment in UTC: no clock of the world, and no date of a row, is ahead of it.
fn day_after(moment: Timestamp) -> Option<Date> {
    Offset::UTC.to_datetime(moment).date().tomorrow().ok()
}

/// Compares a table with the columns that a sync writes.
pub(crate) fn check(table: WarehouseTable, actual: &Table) -> Differences {
    match actual.r#type.as_deref() {
        None | Some("TABLE") => differences(table, actual),
        Some(other) => {
            let wrong = vec![format!("it is a {other}, not a table")];
            Differences { missing: Vec::new(), wrong }
        }
    }
}
