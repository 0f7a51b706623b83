//! Checks the tables before the first write, and creates what is missing.

use gcp_bigquery_client::model::table::Table;
use quiz_domain::rows::WarehouseTable;

use crate::api::Api;
use crate::error::{BigQueryError, ErrorKind};
use crate::jobs;
use crate::schema::{Differences, add_column, ddl, differences};

/// Creates missing tables and adds missing nullable columns, in a job whose name begins with `name`.
///
/// # Errors
/// [`ErrorKind::Refused`] with every other difference between a table and the columns that a sync writes.
pub(crate) async fn ensure(api: &Api, name: &str) -> Result<(), BigQueryError> {
    let mut statements = Vec::new();
    let mut wrong = Vec::new();
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
        return Ok(());
    }
    tracing::info!(statements = statements.len(), "creating missing tables or columns");
    let job_id = format!("{name}_tables");
    let job = jobs::query(api, &job_id, statements.join(";\n") + ";", Vec::new());
    let started = api.start(&job_id, &job).await?;
    jobs::wait(api, &job_id, started).await.map(|_| ())
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
