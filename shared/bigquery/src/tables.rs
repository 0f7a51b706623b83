//! Checks the tables before the first write, and creates what is missing.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use quiz_domain::rows::WarehouseTable;

use crate::api::Api;
use crate::error::{BigQueryError, ErrorKind};
use crate::existing::ExistingTable;
use crate::jobs;
use crate::schema::{add_columns, ddl};
use crate::sql::{GENERATIONS, create_generations};

/// Creates missing tables and adds missing columns, in a job whose name begins with `name`. Logs a warning for each table
/// that costs more than a new one. Returns the day after the creation of [`GENERATIONS`].
///
/// # Errors
/// [`ErrorKind::Refused`] with every difference that makes BigQuery refuse rows, and the statement that fixes it.
pub(crate) async fn ensure(api: &Api, name: &str) -> Result<Date, BigQueryError> {
    let mut statements = Vec::new();
    let mut refusals = Vec::new();
    let generations = api.table(GENERATIONS).await?;
    if generations.is_none() {
        statements.push(create_generations(&api.full_name(GENERATIONS)));
    }
    let created = generations.as_ref().and_then(ExistingTable::created_at);
    let since = day_after(created.unwrap_or_else(Timestamp::now)).unwrap_or(Date::MAX);
    for table in WarehouseTable::ALL {
        let full_name = api.full_name(table.name());
        let Some(existing) = api.table(table.name()).await? else {
            statements.push(ddl(table, &full_name));
            continue;
        };
        let found = existing.compare(table, &full_name);
        if !found.warnings.is_empty() {
            let differences = found.warnings.join("; ");
            tracing::warn!(table = full_name, differences, "existing table differs from a new one");
        }
        if !found.to_add.is_empty() {
            statements.push(add_columns(&found.to_add, &full_name));
        }
        refusals.extend(found.refusals.iter().map(|refusal| format!("table {full_name}: {refusal}")));
    }
    if !refusals.is_empty() {
        return Err(BigQueryError::new(ErrorKind::Refused, refusals.join("; ")));
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

/// The day after a moment in UTC: each quiz that existed then was made before this day.
fn day_after(moment: Timestamp) -> Option<Date> {
    Offset::UTC.to_datetime(moment).date().tomorrow().ok()
}
