//! Finds and deletes the rows of one student, for `quiz-etl erase`.
//!
//! The search reads the columns of ids and dates of each table, over all days: no table is partitioned by user.
//! A deletion bills whole partitions, so it names the days that the search found.
//! The id is a parameter, so it is not in the text of the jobs, which BigQuery shows for 180 days.

use std::sync::Arc;

use gcp_bigquery_client::model::query_parameter::QueryParameter;
use jiff::civil::Date;
use quiz_domain::rows::{START_DATE, WarehouseTable};

use crate::api::Api;
use crate::credentials::CredentialsSource;
use crate::error::BigQueryError;
use crate::warehouse::Settings;
use crate::{jobs, sql};

/// The columns of a search.
const COLUMNS: [&str; 3] = ["user_id", "session_id", START_DATE.name];

/// Rows of one student in one table, test session and day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StudentRows {
    pub table: WarehouseTable,
    /// Empty in a row of another program without a test session.
    pub session_id: String,
    pub start_date: Option<Date>,
    pub rows: u64,
}

/// Finds and deletes the rows of one student.
pub struct BigQueryEraser {
    api: Api,
    settings: Settings,
}

impl BigQueryEraser {
    /// # Errors
    /// [`BigQueryError`] if the endpoint is no URL.
    pub fn new(settings: Settings, source: Arc<dyn CredentialsSource>) -> Result<Self, BigQueryError> {
        let Settings { place, retries, uploads, bytes_per_job, .. } = settings.clone();
        Ok(Self { api: Api::connect(place, retries, uploads, bytes_per_job, source)?, settings })
    }

    /// The bytes that one search reads. Nothing is billed.
    ///
    /// # Errors
    /// [`BigQueryError`] if BigQuery does not answer.
    pub async fn search_bytes(&self, user_id: &str) -> Result<u64, BigQueryError> {
        let tables = self.tables().await?;
        if tables.is_empty() {
            return Ok(0);
        }
        let sql = search(&tables, |table| self.api.full_name(table));
        let checked = jobs::dry_run(&self.api, &job_name(), sql, vec![user(user_id)]).await?;
        let bytes = checked.statistics.and_then(|statistics| statistics.total_bytes_processed?.parse().ok());
        Ok(bytes.unwrap_or_default())
    }

    /// Finds the rows of a user in all tables.
    ///
    /// # Errors
    /// [`BigQueryError`] if BigQuery does not answer, or the search is dearer than the settings allow.
    pub async fn find(&self, user_id: &str) -> Result<Vec<StudentRows>, BigQueryError> {
        let tables = self.tables().await?;
        if tables.is_empty() {
            return Ok(Vec::new());
        }
        let sql = search(&tables, |table| self.api.full_name(table));
        let job_id = self.run(sql, user_id).await?;
        let (mut found, mut from) = (Vec::new(), None::<String>);
        loop {
            let mut page = self.api.rows(&job_id, from.as_deref()).await?;
            from = page.page_token.take();
            found.extend(page.into_rows().filter_map(|cells| rows(&cells)));
            if from.is_none() {
                return Ok(found);
            }
        }
    }

    /// Deletes the rows of a user in the tables and days of `found`.
    ///
    /// # Errors
    /// [`BigQueryError`] if BigQuery does not answer, or a deletion is dearer than the settings allow. Rows of some tables
    /// may be deleted.
    pub async fn delete(&self, user_id: &str, found: &[StudentRows]) -> Result<(), BigQueryError> {
        for table in WarehouseTable::ALL {
            let days: Vec<Option<Date>> =
                found.iter().filter(|rows| rows.table == table).map(|rows| rows.start_date).collect();
            if !days.is_empty() {
                self.run(deletion(&self.api.full_name(table.name()), &days), user_id).await?;
            }
        }
        Ok(())
    }

    /// The tables that exist and have the columns of a search.
    async fn tables(&self) -> Result<Vec<WarehouseTable>, BigQueryError> {
        let mut tables = Vec::new();
        for table in WarehouseTable::ALL {
            let existing = self.api.table(table.name()).await?;
            tables.extend(existing.is_some_and(|existing| existing.has_columns(&COLUMNS)).then_some(table));
        }
        Ok(tables)
    }

    /// Runs SQL with the parameter `@user` to its end; returns the name of the job.
    async fn run(&self, sql: String, user_id: &str) -> Result<String, BigQueryError> {
        let name = job_name();
        let job = jobs::run(&self.api, &self.settings, &name, |job_id| {
            let job = jobs::query(&self.api, &job_id, sql.clone(), vec![user(user_id)]);
            async move { self.api.start(&job_id, &job).await }
        });
        let reference = job.await?.job_reference;
        Ok(reference.and_then(|reference| reference.job_id).unwrap_or(name))
    }
}

fn job_name() -> String {
    format!("quiz_etl_erase_{:016x}", fastrand::u64(..))
}

fn user(user_id: &str) -> QueryParameter {
    sql::text_parameter("user", user_id)
}

/// The statement that finds the rows of `@user`; `name` turns a table's name into its full name.
fn search(tables: &[WarehouseTable], name: impl Fn(&str) -> String) -> String {
    let day = START_DATE.name;
    let selects = tables.iter().map(|table| {
        format!(
            "SELECT '{}' AS row_table, session_id, CAST({day} AS STRING) AS day, COUNT(*) AS row_count\n\
             FROM `{}` WHERE user_id = @user GROUP BY session_id, {day}",
            table.name(),
            name(table.name())
        )
    });
    selects.collect::<Vec<_>>().join("\nUNION ALL\n")
}

/// The statement that deletes the rows of `@user` on these days; `None` stands for rows without a day.
fn deletion(name: &str, days: &[Option<Date>]) -> String {
    let day = START_DATE.name;
    let mut dates: Vec<String> = days.iter().flatten().map(|date| format!("DATE '{date}'")).collect();
    dates.sort_unstable();
    dates.dedup();
    let mut conditions = Vec::new();
    conditions.extend((!dates.is_empty()).then(|| format!("{day} IN ({})", dates.join(", "))));
    conditions.extend(days.contains(&None).then(|| format!("{day} IS NULL")));
    format!("DELETE FROM `{name}` WHERE user_id = @user AND ({})", conditions.join(" OR "))
}

/// Reads a row of the search. A day may be a DATETIME in a table of another program.
fn rows(cells: &[Option<String>]) -> Option<StudentRows> {
    let [Some(table), session_id, day, Some(rows)] = cells else { return None };
    Some(StudentRows {
        table: WarehouseTable::ALL.into_iter().find(|known| known.name() == table)?,
        session_id: session_id.clone().unwrap_or_default(),
        start_date: day.as_ref().and_then(|day| day.get(..10)?.parse().ok()),
        rows: rows.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use quiz_domain::rows::WarehouseTable;

    use super::{StudentRows, deletion, rows, search};

    #[test]
    fn search_reads_ids_and_dates_of_each_table() {
        let tables = [WarehouseTable::TestResponses, WarehouseTable::FormResponses];
        insta::assert_snapshot!(search(&tables, |table| format!("p.d.{table}")));
    }

    #[test]
    fn deletion_names_only_found_days() {
        let (first, second) = (date(2026, 11, 20), date(2026, 11, 13));
        insta::assert_snapshot!(
            [
                deletion("p.d.t", &[Some(first), Some(second), Some(first)]),
                deletion("p.d.t", &[Some(first), None]),
                deletion("p.d.t", &[None]),
            ]
            .join("\n")
        );
    }

    #[test]
    fn rows_without_day_or_session_are_counted() {
        let text = |text: &str| Some(text.to_owned());
        let read = |day, session| rows(&[text("test_responses"), session, day, text("3")]).unwrap();
        let found = read(text("2026-11-20 00:00:00"), text("Group_q"));
        assert_eq!((found.start_date, found.rows), (Some(date(2026, 11, 20)), 3));
        let table = WarehouseTable::TestResponses;
        let bare = StudentRows { table, session_id: String::new(), start_date: None, rows: 3 };
        assert_eq!(read(None, None), bare);
    }
}
