//! The transaction that replaces tests' rows.

use std::collections::HashMap;

use gcp_bigquery_client::model::query_parameter::QueryParameter;
use gcp_bigquery_client::model::query_parameter_type::QueryParameterType;
use gcp_bigquery_client::model::query_parameter_type_struct_types::QueryParameterTypeStructTypes;
use gcp_bigquery_client::model::query_parameter_value::QueryParameterValue;
use quiz_domain::rows::{INSERTED_AT, START_DATE, WarehouseTable};
use quiz_parquet::ROW_TABLE;
use quiz_pipeline::ports::StagedSession;

/// What the transaction says where a later run has written rows of one of its tests.
pub(crate) const OVERTAKEN: &str = "a later run has written these sessions";

/// Deletes the tests' rows from every table and inserts those that lie in `staging`, all or nothing.
/// `name` makes a table's full name.
pub(crate) fn replace(name: impl Fn(&str) -> String, staging: Option<&str>) -> String {
    let moment = INSERTED_AT.name;
    let mut script = vec!["BEGIN TRANSACTION".to_owned()];
    // a job that waited while its run lost the lease must not undo what a later run has written; the sessions are listed
    // beside the join, as only a constant list has BigQuery leave out the blocks that hold none of them
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
    for table in WarehouseTable::ALL {
        let target = name(table.name());
        script.push(format!("DELETE FROM `{target}` WHERE session_id IN UNNEST(@session_ids)"));
        let Some(staging) = staging else { continue };
        let staged = name(staging);
        let own: Vec<String> = table.row_columns().map(|it| format!("`{}`", it.name)).collect();
        let from: Vec<String> = own.iter().map(|column| format!("staged.{column}")).collect();
        let (own, from) = (own.join(", "), from.join(", "));
        let day = START_DATE.name;
        script.push(format!(
            "INSERT INTO `{target}` ({own}, `{day}`, `{moment}`)\n\
             SELECT {from}, test.{day}, test.{moment}\n\
             FROM `{staged}` AS staged JOIN UNNEST(@tests) AS test ON staged.session_id = test.session_id\n\
             WHERE staged.{} = '{}'",
            ROW_TABLE.name,
            table.name()
        ));
    }
    script.push("COMMIT TRANSACTION".to_owned());
    script.join(";\n") + ";"
}

/// `@session_ids`.
pub(crate) fn session_ids(tests: &[StagedSession]) -> QueryParameter {
    let text = QueryParameterType { r#type: "STRING".to_owned(), ..QueryParameterType::default() };
    let values = tests.iter().map(|test| text_value(test.session_id.clone()));
    array("session_ids", text, values.collect())
}

/// `@tests`: the session ids, with the values that all rows of a test share.
pub(crate) fn tests(tests: &[StagedSession]) -> QueryParameter {
    let scalar = |kind: &str| QueryParameterType { r#type: kind.to_owned(), ..QueryParameterType::default() };
    let field = |name: &str, kind: &str| QueryParameterTypeStructTypes {
        name: Some(name.to_owned()),
        r#type: Some(scalar(kind)),
        description: None,
    };
    let of_test = QueryParameterType {
        r#type: "STRUCT".to_owned(),
        struct_types: Some(vec![
            field("session_id", "STRING"),
            field(START_DATE.name, "DATE"),
            field(INSERTED_AT.name, "TIMESTAMP"),
        ]),
        array_type: None,
    };
    let values = tests.iter().map(|test| QueryParameterValue {
        struct_values: Some(HashMap::from([
            ("session_id".to_owned(), text_value(test.session_id.clone())),
            (START_DATE.name.to_owned(), text_value(test.start_date.to_string())),
            (INSERTED_AT.name.to_owned(), text_value(format!("{:.6}", test.inserted_at))),
        ])),
        ..QueryParameterValue::default()
    });
    array("tests", of_test, values.collect())
}

fn text_value(text: String) -> QueryParameterValue {
    QueryParameterValue { value: Some(text), ..QueryParameterValue::default() }
}

fn array(name: &str, of: QueryParameterType, values: Vec<QueryParameterValue>) -> QueryParameter {
    QueryParameter {
        name: Some(name.to_owned()),
        parameter_type: Some(QueryParameterType {
            r#type: "ARRAY".to_owned(),
            array_type: Some(Box::new(of)),
            struct_types: None,
        }),
        parameter_value: Some(QueryParameterValue {
            array_values: Some(values),
            ..QueryParameterValue::default()
        }),
    }
}
