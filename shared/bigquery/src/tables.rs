use gcp_bigquery_client::model::table::Table;
use quiz_domain::rows::WarehouseTable;

use crate::api::Api;
use crate::error::{BigQueryError, ErrorKind};
use crate::jobs;
use crate::schema::{Differences, add_column, ddl, differences};

/// Makes the tables what is written to them, as far as that is safe: absent tables are made, absent nullable
/// columns added. `name` begins the name of the job that does it.
///
/// # Errors
/// [`ErrorKind::Refused`] with every difference, where a table is another than ours.
pub(crate) async fn ensure(api: &Api, name: &str) -> Result<(), BigQueryError> {
    let mut statements = Vec::new();
    let mut wrong = Vec::new();
    for table in WarehouseTable::ALL {
        let full_name = api.full_name(table.name());
        match api.table(table.name()).await? {
            None => statements.push(ddl(table, &full_name)),
            Some(actual) => {
                let found = check(table, &actual);
                wrong.extend(found.wrong.into_iter().map(|it| format!("table {full_name}: {it}")));
                statements.extend(found.missing.into_iter().map(|it| add_column(it, &full_name)));
            }
        }
    }
    if !wrong.is_empty() {
        return Err(BigQueryError::new(ErrorKind::Refused, wrong.join("; ")));
    }
    if statements.is_empty() {
        return Ok(());
    }
    tracing::info!(statements = statements.len(), "making tables or columns that are absent");
    let job_id = format!("{name}_tables");
    let job = jobs::query(api, &job_id, statements.join(";\n") + ";", Vec::new());
    let started = api.start(&job_id, &job).await?;
    jobs::ended(api, &job_id, started).await.map(|_| ())
}

pub(crate) fn check(table: WarehouseTable, actual: &Table) -> Differences {
    match actual.r#type.as_deref() {
        None | Some("TABLE") => differences(table, actual),
        Some(other) => {
            let wrong = vec![format!("it is a {other}, not a table")];
            Differences { missing: Vec::new(), wrong }
        }
    }
}
