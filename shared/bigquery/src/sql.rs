//! The SQL of the transaction that replaces the rows of test sessions.
//!
//! The problem: two commit jobs of one test session can run at once, for example if a function lost the answer of the first.
//! BigQuery cancels a transaction that changes a table together with another one, but a DELETE that finds no rows may count
//! as no change: then both insert, and each row is there twice.
//!
//! The idea: a small table of ours, [`GENERATIONS`], has a row for each test session. The script adds missing rows before the
//! transaction, and the transaction first updates them, so two transactions always conflict, before they read large tables.
//! The row also has the generation of the newest committed run: a transaction that finds a later one stops.
//!
//! BigQuery skips partitions and blocks only by constants, so ids and dates are literals. A DELETE names the start dates under
//! which a test session may have rows. It reads the whole table only if they are unknown: the state is of an older version
//! of quiz-etl, or the quiz is not younger than [`GENERATIONS`] and an older program may have written rows.
//! Decision: `docs/decisions/0006-replace-rows.md`.

use std::collections::{BTreeSet, HashMap};

use gcp_bigquery_client::model::query_parameter::QueryParameter;
use gcp_bigquery_client::model::query_parameter_type::QueryParameterType;
use gcp_bigquery_client::model::query_parameter_type_struct_types::QueryParameterTypeStructTypes;
use gcp_bigquery_client::model::query_parameter_value::QueryParameterValue;
use jiff::civil::Date;
use quiz_domain::rows::{INSERTED_AT, START_DATE, WarehouseTable};
use quiz_parquet::ROW_TABLE;
use quiz_pipeline::ports::StagedSession;

use crate::schema::literal;

/// The table with the generation of each test session's newest commit.
pub(crate) const GENERATIONS: &str = "quiz_etl_generations";
/// The transaction's error if a later run has committed one of its test sessions.
pub(crate) const OVERTAKEN: &str = "a later run has written these sessions";
/// The transaction's error if the row of a test session in [`GENERATIONS`] was deleted.
pub(crate) const NO_GENERATION: &str = "a session has no row in quiz_etl_generations";

/// The statement that creates [`GENERATIONS`]; `name` is its full name. BigQuery drops rows without a commit for 30 days:
/// no transaction waits that long.
pub(crate) fn create_generations(name: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS `{name}` (\n  `session_id` STRING NOT NULL,\n  `generation` INT64,\n  `committed_on` DATE\n)\n\
         PARTITION BY committed_on\nCLUSTER BY session_id\n\
         OPTIONS (partition_expiration_days = 30, description = {})",
        literal(
            "Of quiz-etl: keeps two commits of one test session apart. A row for each test session of the last 30 days"
        )
    )
}

/// Deletes the test sessions' rows from every table and inserts the rows of `staging`, all or nothing.
///
/// `name` turns a table's name into its full name. `since` is the day after the creation of
/// [`GENERATIONS`].
pub(crate) fn replace(
    name: impl Fn(&str) -> String,
    since: Date,
    sessions: &[StagedSession],
    staging: Option<&str>,
) -> String {
    let generations = name(GENERATIONS);
    let mut script = vec![
        // Add missing rows before the transaction, so that its UPDATE finds one for each test session.
        format!(
            "INSERT INTO `{generations}` (session_id, committed_on)\n\
             SELECT test.session_id, CURRENT_DATE() FROM UNNEST(@tests) AS test\n\
             WHERE test.session_id NOT IN (SELECT session_id FROM `{generations}`)"
        ),
        "BEGIN TRANSACTION".to_owned(),
        // A row without a generation is older than each run.
        format!(
            "UPDATE `{generations}` AS held SET generation = test.generation, committed_on = CURRENT_DATE()\n\
             FROM UNNEST(@tests) AS test\n\
             WHERE held.session_id = test.session_id AND IFNULL(held.generation, 0) <= test.generation"
        ),
        format!(
            "SELECT CASE\n\
             WHEN EXISTS(SELECT 1 FROM `{generations}` AS held JOIN UNNEST(@tests) AS test\n\
             ON held.session_id = test.session_id WHERE held.generation > test.generation) THEN ERROR('{OVERTAKEN}')\n\
             WHEN (SELECT COUNT(DISTINCT held.session_id) FROM `{generations}` AS held JOIN UNNEST(@tests) AS test\n\
             ON held.session_id = test.session_id) < {} THEN ERROR('{NO_GENERATION}')\n\
             ELSE 'nothing newer' END AS found",
            sessions.len()
        ),
    ];
    // Replace the rows, table by table.
    let conditions = delete_conditions(sessions, since);
    for table in WarehouseTable::ALL {
        let target = name(table.name());
        script.extend(conditions.iter().map(|condition| format!("DELETE FROM `{target}` WHERE {condition}")));
        let Some(staging) = staging else { continue };
        let staged = name(staging);
        let columns: Vec<String> = table.row_columns().map(|column| format!("`{}`", column.name)).collect();
        let staged_columns: Vec<String> = columns.iter().map(|column| format!("staged.{column}")).collect();
        let (columns, staged_columns) = (columns.join(", "), staged_columns.join(", "));
        let (day, moment) = (START_DATE.name, INSERTED_AT.name);
        script.push(format!(
            "INSERT INTO `{target}` ({columns}, `{day}`, `{moment}`)\n\
             SELECT {staged_columns}, test.{day}, test.{moment}\n\
             FROM `{staged}` AS staged JOIN UNNEST(@tests) AS test ON staged.session_id = test.session_id\n\
             WHERE staged.{} = '{}'",
            ROW_TABLE.name,
            table.name()
        ));
    }
    script.push("COMMIT TRANSACTION".to_owned());
    script.join(";\n") + ";"
}

/// The conditions that together select the stored rows of these test sessions: one for those with known dates, one for the
/// others. The dates of all test sessions are one list, because BigQuery bills whole partitions either way.
fn delete_conditions(sessions: &[StagedSession], since: Date) -> Vec<String> {
    let ids = |sessions: Vec<&StagedSession>| {
        let ids: Vec<String> = sessions.iter().map(|session| literal(&session.session_id)).collect();
        format!("session_id IN ({})", ids.join(", "))
    };
    let (undated, dated): (Vec<&StagedSession>, Vec<_>) =
        sessions.iter().partition(|session| has_unknown_dates(session, since));
    let mut days: BTreeSet<Date> = dated.iter().map(|session| session.start_date).collect();
    days.extend(dated.iter().flat_map(|session| session.earlier_dates.iter().flatten()));
    let mut conditions = Vec::new();
    if !dated.is_empty() {
        let days: Vec<String> = days.iter().map(|day| format!("DATE '{day}'")).collect();
        conditions.push(format!("{} AND {} IN ({})", ids(dated), START_DATE.name, days.join(", ")));
    }
    if !undated.is_empty() {
        conditions.push(ids(undated));
    }
    conditions
}

/// Whether the tables may have rows of the test session under any date.
pub(crate) fn has_unknown_dates(session: &StagedSession, since: Date) -> bool {
    let is_older = session.quiz_made_on.is_none_or(|made| made <= since);
    session.earlier_dates.is_none() || (session.is_first && is_older)
}

/// The parameter `@tests`: the session ids and generations, with the values that all rows of a test session share.
pub(crate) fn tests(sessions: &[StagedSession]) -> QueryParameter {
    let scalar = |kind: &str| QueryParameterType { r#type: kind.to_owned(), ..QueryParameterType::default() };
    let field = |name: &str, kind: &str| QueryParameterTypeStructTypes {
        name: Some(name.to_owned()),
        r#type: Some(scalar(kind)),
        description: None,
    };
    let session_type = QueryParameterType {
        r#type: "STRUCT".to_owned(),
        struct_types: Some(vec![
            field("session_id", "STRING"),
            field("generation", "INT64"),
            field(START_DATE.name, "DATE"),
            field(INSERTED_AT.name, "TIMESTAMP"),
        ]),
        array_type: None,
    };
    let values = sessions.iter().map(|session| QueryParameterValue {
        struct_values: Some(HashMap::from([
            ("session_id".to_owned(), text_value(session.session_id.clone())),
            ("generation".to_owned(), text_value(session.generation.to_string())),
            (START_DATE.name.to_owned(), text_value(session.start_date.to_string())),
            (INSERTED_AT.name.to_owned(), text_value(format!("{:.6}", session.inserted_at))),
        ])),
        ..QueryParameterValue::default()
    });
    array("tests", session_type, values.collect())
}

/// A parameter that is a text.
pub(crate) fn text_parameter(name: &str, text: &str) -> QueryParameter {
    QueryParameter {
        name: Some(name.to_owned()),
        parameter_type: Some(QueryParameterType {
            r#type: "STRING".to_owned(),
            ..QueryParameterType::default()
        }),
        parameter_value: Some(text_value(text.to_owned())),
    }
}

fn text_value(text: String) -> QueryParameterValue {
    QueryParameterValue { value: Some(text), ..QueryParameterValue::default() }
}

fn array(name: &str, element: QueryParameterType, values: Vec<QueryParameterValue>) -> QueryParameter {
    QueryParameter {
        name: Some(name.to_owned()),
        parameter_type: Some(QueryParameterType {
            r#type: "ARRAY".to_owned(),
            array_type: Some(Box::new(element)),
            struct_types: None,
        }),
        parameter_value: Some(QueryParameterValue {
            array_values: Some(values),
            ..QueryParameterValue::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::civil::{Date, date};
    use quiz_pipeline::ports::{Fence, StagedSession};

    use super::{has_unknown_dates, replace};

    const TABLE_CREATED: Date = date(2026, 11, 1);

    fn session(session_id: &str, earlier_dates: Option<&[Date]>) -> StagedSession {
        StagedSession {
            session_id: session_id.to_owned(),
            start_date: date(2026, 11, 20),
            inserted_at: Timestamp::UNIX_EPOCH,
            generation: 1,
            earlier_dates: earlier_dates.map(|dates| dates.iter().copied().collect()),
            is_first: false,
            quiz_made_on: None,
            fence: Fence::open(),
        }
    }

    #[test]
    fn statement_names_ids_and_dates() {
        let moved = session("Group_a", Some(&[date(2026, 11, 13), date(2026, 11, 20)]));
        let sessions = [moved, session("B\\", Some(&[])), session("of an older version", None)];
        let name = |table: &str| format!("project.dataset.{table}");
        insta::assert_snapshot!(replace(name, TABLE_CREATED, &sessions, Some("staged")));
    }

    #[test]
    fn empty_sessions_are_deleted() {
        let sessions = [session("empty", Some(&[date(2026, 11, 20)]))];
        insta::assert_snapshot!(replace(str::to_owned, TABLE_CREATED, &sessions, None));
    }

    #[test]
    fn first_sync_looks_everywhere_only_for_an_older_quiz() {
        let first = |made| {
            let session = session("new", Some(&[]));
            has_unknown_dates(&StagedSession { is_first: true, quiz_made_on: made, ..session }, TABLE_CREATED)
        };
        // no attempt is older than its quiz, but the start date can be later
        assert!(!first(Some(date(2026, 11, 2))));
        assert!(first(Some(date(2026, 11, 1))));
        assert!(first(None), "the id tells no time");
        assert!(!has_unknown_dates(&session("synced", Some(&[])), TABLE_CREATED));
    }
}
