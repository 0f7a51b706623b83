//! The rules of the comparison, on the JSON of BigQuery's API.

use quiz_domain::rows::WarehouseTable;
use serde_json::{Value, json};

use super::{ExistingTable, Refusal, TableDifferences};

const NAME: &str = "p.d.test_responses";

/// Compares `test_responses`, made of these fields and properties.
fn compare(fields: &Value, properties: Value) -> TableDifferences {
    let mut resource = properties;
    resource["schema"] = json!({ "fields": fields });
    let table: ExistingTable = serde_json::from_value(resource).unwrap();
    table.compare(WarehouseTable::TestResponses, NAME)
}

/// The refusals of a table with this field.
fn refusals(field: &Value) -> Vec<Refusal> {
    compare(&json!([field]), json!({})).refusals
}

fn field(name: &str, kind: &str, mode: &str) -> Value {
    json!({"name": name, "type": kind, "mode": mode})
}

/// The fix of the only refusal of a table with this field.
fn fix(name: &str, kind: &str, mode: &str) -> String {
    let refusals = refusals(&field(name, kind, mode));
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    refusals[0].fix.clone()
}

#[test]
fn types_that_bigquery_coerces_are_accepted() {
    let accepted = [
        ("session_id", &["STRING"][..]),
        ("rank", &["INTEGER", "INT64", "NUMERIC", "BIGNUMERIC", "FLOAT", "FLOAT64"]),
        ("percentile", &["FLOAT", "FLOAT64"]),
        ("has_quiz_ended", &["BOOLEAN", "BOOL"]),
        ("start_date", &["DATE", "DATETIME"]),
        ("inserted_at", &["TIMESTAMP"]),
    ];
    let all = [
        "STRING",
        "BYTES",
        "INTEGER",
        "INT64",
        "FLOAT",
        "FLOAT64",
        "NUMERIC",
        "BIGNUMERIC",
        "BOOLEAN",
        "BOOL",
        "DATE",
        "DATETIME",
        "TIMESTAMP",
        "TIME",
        "JSON",
        "GEOGRAPHY",
        "INTERVAL",
        "RANGE",
        "RECORD",
        "STRUCT",
    ];
    for (column, types) in accepted {
        for kind in all {
            let is_refused = !refusals(&field(column, kind, "NULLABLE")).is_empty();
            assert_eq!(is_refused, !types.contains(&kind), "{column} {kind}");
        }
    }
}

#[test]
fn type_is_changed_only_where_bigquery_allows() {
    let change = "ALTER TABLE `p.d.test_responses` ALTER COLUMN `percentile` SET DATA TYPE FLOAT64";
    assert_eq!(fix("percentile", "INTEGER", "NULLABLE"), change);
    assert_eq!(fix("percentile", "NUMERIC", "NULLABLE"), change);
    let rename = "ALTER TABLE `p.d.test_responses` RENAME COLUMN `percentile` TO `percentile_old`";
    for kind in ["BIGNUMERIC", "STRING"] {
        assert_eq!(fix("percentile", kind, "NULLABLE"), rename);
    }
    assert_eq!(fix("percentile", "FLOAT", "REPEATED"), rename);
    assert_eq!(
        refusals(&field("Rank", "STRING", "NULLABLE")),
        [Refusal {
            reason: "column Rank is STRING, which cannot hold INT64".into(),
            fix: "ALTER TABLE `p.d.test_responses` RENAME COLUMN `Rank` TO `Rank_old`".into(),
        }]
    );
    assert_eq!(
        refusals(&field("rank", "INTEGER", "REPEATED"))[0].reason,
        "column rank is ARRAY<INT64>, which cannot hold INT64"
    );
}

#[test]
fn renamed_column_gets_a_free_nullable_name() {
    let fields = json!([
        field("rank", "STRING", "REQUIRED"),
        field("RANK_OLD", "STRING", "NULLABLE"),
        field("rank_old_", "STRING", "NULLABLE"),
    ]);
    let found = compare(&fields, json!({}));
    assert_eq!(found.refusals.len(), 1);
    assert_eq!(
        found.refusals[0].fix,
        "ALTER TABLE `p.d.test_responses` ALTER COLUMN `rank` DROP NOT NULL; \
         ALTER TABLE `p.d.test_responses` RENAME COLUMN `rank` TO `rank_old__`"
    );
}

#[test]
fn column_that_orders_rows_needs_a_new_table() {
    let fields = json!([
        field("start_date", "TIMESTAMP", "NULLABLE"),
        field("rank", "STRING", "NULLABLE"),
        field("marks_scored", "NUMERIC", "NULLABLE"),
    ]);
    let rename = "ALTER TABLE `p.d.test_responses` RENAME TO `test_responses_old`";
    for properties in [
        json!({"timePartitioning": {"type": "DAY", "field": "START_DATE"}}),
        json!({"rangePartitioning": {"field": "marks_scored", "range": {"start": "0", "end": "9", "interval": "1"}}}),
        json!({"clustering": {"fields": ["user_id", "rank"]}}),
    ] {
        let found = compare(&fields, properties);
        let fixes: Vec<&str> = found.refusals.iter().map(|refusal| refusal.fix.as_str()).collect();
        assert_eq!(fixes, [rename; 3]);
    }
    let elsewhere = compare(&fields, json!({"timePartitioning": {"type": "DAY", "field": "mine"}}));
    assert!(elsewhere.refusals.iter().all(|refusal| refusal.fix != rename), "{elsewhere:?}");
}

#[test]
fn required_column_is_refused_if_rows_lack_it() {
    let relax =
        |column: &str| format!("ALTER TABLE `p.d.test_responses` ALTER COLUMN `{column}` DROP NOT NULL");
    assert_eq!(refusals(&field("session_id", "STRING", "REQUIRED")), []);
    assert_eq!(
        refusals(&field("percentage", "FLOAT", "REQUIRED")),
        [Refusal {
            reason: "column percentage is REQUIRED, but a sync writes nulls to it".into(),
            fix: relax("percentage"),
        }]
    );
    assert_eq!(
        refusals(&field("mood", "RANGE", "REQUIRED")),
        [Refusal {
            reason: "column mood is REQUIRED without a default, but a sync does not write it".into(),
            fix: relax("mood"),
        }]
    );
    for accepted in [field("mood", "RANGE", "NULLABLE"), field("mood", "STRING", "REPEATED")] {
        assert_eq!(refusals(&accepted), []);
    }
    let mut with_default = field("mood", "STRING", "REQUIRED");
    with_default["defaultValueExpression"] = "'calm'".into();
    assert_eq!(refusals(&with_default), []);
    let mut generated = field("row_id", "INTEGER", "REQUIRED");
    generated["generatedColumn"] = json!({"generatedMode": "GENERATED_ALWAYS", "identityColumnInfo": {}});
    assert_eq!(refusals(&generated), []);
    // a default does not replace a null that the sync writes
    let mut ours = field("percentage", "FLOAT", "REQUIRED");
    ours["defaultValueExpression"] = "0.0".into();
    assert_eq!(refusals(&ours).len(), 1);
}

#[test]
fn required_partition_filter_is_refused() {
    for properties in [
        json!({"requirePartitionFilter": true}),
        json!({"timePartitioning": {"type": "DAY", "field": "start_date", "requirePartitionFilter": true}}),
    ] {
        assert_eq!(
            compare(&json!([]), properties).refusals,
            [Refusal {
                reason:
                    "each query must have a condition on the partition, but a sync finds rows by session_id"
                        .into(),
                fix: "ALTER TABLE `p.d.test_responses` SET OPTIONS (require_partition_filter = false)".into(),
            }]
        );
    }
    assert_eq!(compare(&json!([]), json!({"requirePartitionFilter": false})).refusals, []);
}

#[test]
fn only_tables_are_written() {
    let refusal = |kind: &str| {
        let mut found = compare(&json!([]), json!({ "type": kind }));
        assert_eq!((found.to_add.len(), found.warnings.len(), found.refusals.len()), (0, 0, 1));
        found.refusals.remove(0).to_string()
    };
    let first = "save its definition first (run: DROP";
    assert_eq!(refusal("VIEW"), format!("it is a VIEW, not a table; {first} VIEW `{NAME}`)"));
    assert!(refusal("MATERIALIZED_VIEW").ends_with(&format!("{first} MATERIALIZED VIEW `{NAME}`)")));
    assert!(refusal("EXTERNAL").ends_with(&format!("{first} EXTERNAL TABLE `{NAME}`)")));
    assert_eq!(
        refusal("SNAPSHOT"),
        "it is a SNAPSHOT, not a table (run: ALTER TABLE `p.d.test_responses` RENAME TO `test_responses_old`)"
    );
}

#[test]
fn missing_columns_are_added_in_our_order() {
    let found = compare(&json!([field("USER_ID", "STRING", "NULLABLE")]), json!({"type": "TABLE"}));
    let added: Vec<&str> = found.to_add.iter().map(|column| column.name).collect();
    let ours = WarehouseTable::TestResponses.columns().map(|column| column.name);
    assert_eq!(added, ours.filter(|name| *name != "user_id").collect::<Vec<_>>());
}

#[test]
fn other_partitions_and_clusters_are_warnings() {
    let ours = json!({"timePartitioning": {"type": "DAY", "field": "Start_Date"}, "clustering": {"fields": ["SESSION_ID"]}});
    assert_eq!(compare(&json!([]), ours).warnings, Vec::<String>::new());
    let clusters =
        "it is not clustered by session_id, user_id: each sync and each query by session_id reads more bytes";
    let whole =
        "it has no partitions: each sync bills the whole table instead of only the days that it changes";
    assert_eq!(compare(&json!([]), json!({})).warnings, [whole, clusters]);
    for (properties, theirs) in [
        (json!({"timePartitioning": {"type": "MONTH", "field": "start_date"}}), "start_date MONTH"),
        (json!({"timePartitioning": {"type": "DAY"}}), "ingestion time DAY"),
        (json!({"rangePartitioning": {"field": "rank"}}), "ranges of rank"),
    ] {
        let mut properties = properties;
        properties["clustering"] = json!({"fields": ["user_id", "session_id"]});
        let partitions = format!(
            "it is partitioned by {theirs}, not by start_date DAY: each sync bills each whole partition that it \
             changes, instead of only the days that it changes"
        );
        assert_eq!(compare(&json!([]), properties).warnings, [partitions.as_str(), clusters]);
    }
}

#[test]
fn types_with_a_limit_are_warnings() {
    let fields = json!([
        {"name": "user_id", "type": "STRING", "maxLength": "8"},
        {"name": "rank", "type": "NUMERIC", "precision": "3"},
    ]);
    let found = compare(&fields, json!({}));
    assert_eq!(found.refusals, []);
    assert_eq!(
        found.warnings[0],
        "column user_id is STRING(8): a longer value fails the sync of its test session (run: ALTER TABLE \
         `p.d.test_responses` ALTER COLUMN `user_id` SET DATA TYPE STRING)"
    );
    assert!(found.warnings[1].starts_with("column rank is NUMERIC(3): "), "{found:?}");
}
