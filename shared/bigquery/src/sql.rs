//! The SQL of the transaction that replaces the rows of test sessions.

use std::collections::HashMap;

use gcp_bigquery_client::model::query_parameter::QueryParameter;
use gcp_bigquery_client::model::query_parameter_type::QueryParameterType;
use gcp_bigquery_client::model::query_parameter_type_struct_types::QueryParameterTypeStructTypes;
use gcp_bigquery_client::model::query_parameter_value::QueryParameterValue;
use quiz_domain::rows::{INSERTED_AT, START_DATE, WarehouseTable};
use quiz_parquet::ROW_TABLE;
use quiz_pipeline::ports::StagedSession;

/// The transaction's error if a later run has written rows of one of its test sessions.
pub(crate) const OVERTAKEN: &str = "a later run has written these sessions";

/// Deletes the test sessions' rows from every table and inserts the rows of `staging`, all or nothing.
///
/// `name` turns a table's name into its full name.
pub(crate) fn replace(name: impl Fn(&str) -> String, staging: Option<&str>) -> String {
    let moment = INSERTED_AT.name;
    let mut script = vec!["BEGIN TRANSACTION".to_owned()];
    // Stop if a later run has written rows: this run may have lost its lease while the job waited. The query lists the
    // sessions twice, as BigQuery skips blocks without them only by a constant list.
    let newer = WarehouseTable::ALL.map(|table| {
        format!(
            "EXISTS(SELECT 1 FROM `{}` AS held JOIN UNNEST(@tests) AS test\n\
             ON held.session_id = test.session_id\n\
             WHERE held.session_id IN UNNEST(@session_ids) AND held.{moment} > test.{moment})",
            name(table.name())
        )
    });
    script
        .push(format!("SELECT IF({}, ERROR('{OVERTAKEN}'), 'nothing newer') AS found", newer.join("\nOR ")));
    // Replace the rows, table by table.
    for table in WarehouseTable::ALL {
        let target = name(table.name());
        script.push(format!("DELETE FROM `{target}` WHERE session_id IN UNNEST(@session_ids)"));
        let Some(staging) = staging else { continue };
        let staged = name(staging);
        let columns: Vec<String> = table.row_columns().map(|column| format!("`{}`", column.name)).collect();
        let staged_columns: Vec<String> = columns.iter().map(|column| format!("staged.{column}")).collect();
        let (columns, staged_columns) = (columns.join(", "), staged_columns.join(", "));
        let day = START_DATE.name;
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

/// The parameter `@session_ids`.
pub(crate) fn session_ids(sessions: &[StagedSession]) -> QueryParameter {
    let text = QueryParameterType { r#type: "STRING".to_owned(), ..QueryParameterType::default() };
    let values = sessions.iter().map(|session| text_value(session.session_id.clone()));
    array("session_ids", text, values.collect())
}

/// The parameter `@tests`: the session ids, with the values that all rows of a test session share.
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
            field(START_DATE.name, "DATE"),
            field(INSERTED_AT.name, "TIMESTAMP"),
        ]),
        array_type: None,
    };
    let values = sessions.iter().map(|session| QueryParameterValue {
        struct_values: Some(HashMap::from([
            ("session_id".to_owned(), text_value(session.session_id.clone())),
            (START_DATE.name.to_owned(), text_value(session.start_date.to_string())),
            (INSERTED_AT.name.to_owned(), text_value(format!("{:.6}", session.inserted_at))),
        ])),
        ..QueryParameterValue::default()
    });
    array("tests", session_type, values.collect())
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
