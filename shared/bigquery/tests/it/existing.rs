//! Tables that exist already, made by an older program, on local-bigquery.

use std::io::Write;
use std::sync::{Arc, Mutex};

use quiz_bigquery::{BigQueryInspector, Credentials, Refusal, TableDifferences};
use quiz_domain::rows::{CellType, ColumnSpec, WarehouseTable};
use quiz_pipeline::ports::{Warehouse, WarehouseError};
use quiz_stack::Stack;
use quiz_suites::warehouse::{Rows, Sample, warehouse, write};
use serde_json::{Value, json};

use crate::common::Dataset;

const TESTS: &str = "test_responses";

fn type_name(column: &ColumnSpec) -> &'static str {
    match column.kind {
        CellType::Text => "STRING",
        CellType::Int => "INT64",
        CellType::Float => "FLOAT64",
        CellType::Bool => "BOOL",
        CellType::Date => "DATE",
        CellType::Instant => "TIMESTAMP",
    }
}

impl Dataset {
    /// Creates a table as an older program does: nullable columns, the last one first, no partitions. `columns` replaces the
    /// definitions of columns, and an empty definition leaves a column out; `options` follows the columns.
    async fn create_older(&self, table: WarehouseTable, columns: &[(&str, &str)], options: &str) {
        let replaced = |name: &str| columns.iter().find(|(column, _)| *column == name);
        let ours = table.columns().filter(|column| replaced(column.name).is_none());
        let ours = ours.map(|column| format!("`{}` {}", column.name, type_name(column)));
        let theirs = columns.iter().filter(|(_, definition)| !definition.is_empty());
        let mut definitions: Vec<String> =
            ours.chain(theirs.map(|(name, definition)| format!("`{name}` {definition}"))).collect();
        definitions.reverse();
        let create = format!("CREATE TABLE {} ({}) {options}", table.name(), definitions.join(", "));
        self.bigquery.execute(&create).await.unwrap();
    }

    async fn differences(&self, table: WarehouseTable) -> TableDifferences {
        let place = self.settings(Stack::get().await.unwrap().bigquery_endpoint()).place;
        let inspector = BigQueryInspector::new(place, Arc::new(Credentials::Anonymous)).unwrap();
        inspector.table(table).await.unwrap().unwrap()
    }

    /// The error of a write into tables that a sync refuses.
    async fn refusal(&self) -> String {
        let batch = self.warehouse().await.begin().unwrap();
        let staged = [Sample::scored("s", 0..2).stage(&*batch).await];
        let error = batch.replace(&staged).await.remove(0).unwrap_err();
        assert!(matches!(error, WarehouseError::Refused { .. }) && !error.is_retryable(), "{error}");
        error.to_string()
    }
}

#[tokio::test]
async fn missing_column_is_added_and_rows_stay() {
    let dataset = Dataset::new().await;
    write(&dataset.warehouse().await, &[Sample::scored("old", 0..3)]).await;
    let table = WarehouseTable::QuestionResponses.name();
    dataset.bigquery.execute(&format!("ALTER TABLE {table} DROP COLUMN difficulty")).await.unwrap();
    write(&dataset.warehouse().await, &[Sample::scored("new", 0..3)]).await;
    for session in ["old", "new"] {
        let rows = dataset.rows(WarehouseTable::QuestionResponses, session).await;
        assert_eq!(rows.len(), 9);
        assert!(rows.iter().all(|row| row["difficulty"].is_null()));
    }
}

#[tokio::test]
async fn older_tables_fulfil_the_port() {
    let dataset = Dataset::new().await;
    let tests = [("test_type", ""), ("Test_Type", "STRING"), ("mood", "ARRAY<STRING>"), ("num_correct", "")];
    dataset.create_older(WarehouseTable::TestResponses, &tests, "").await;
    let questions = [("outcome", ""), ("inserted_at", ""), ("start_date", ""), ("section", "")];
    dataset.create_older(WarehouseTable::QuestionResponses, &questions, "CLUSTER BY user_id").await;
    let by_month = "PARTITION BY DATE_TRUNC(start_date, MONTH)";
    dataset.create_older(WarehouseTable::FormResponses, &[("mood", "JSON")], by_month).await;
    warehouse(&dataset.warehouse().await, &dataset, "session").await;
}

#[tokio::test]
async fn missing_columns_are_added_by_one_statement() {
    let dataset = Dataset::new().await;
    dataset.create_older(WarehouseTable::TestResponses, &[("section", ""), ("rank", "")], "").await;
    dataset.create_older(WarehouseTable::QuestionResponses, &[("inserted_at", "")], "").await;
    write(&dataset.warehouse().await, &[Sample::scored("s", 0..2)]).await;
    let jobs = dataset.bigquery.jobs().await.unwrap();
    let texts: Vec<String> = jobs.iter().map(Value::to_string).collect();
    let made = |text: &&String| {
        text.contains(&dataset.name) && text.contains("_tables\"") && text.contains("CREATE TABLE")
    };
    let text = texts.iter().find(made).unwrap();
    assert_eq!((text.matches("ALTER TABLE").count(), text.matches("ADD COLUMN").count()), (2, 3), "{text}");
    let fields = dataset.bigquery.table(TESTS).await.unwrap().unwrap()["schema"]["fields"].clone();
    let section = fields.as_array().unwrap().iter().find(|field| field["name"] == "section").unwrap();
    assert_ne!(section["mode"], "REQUIRED");
}

#[tokio::test]
async fn rows_of_older_program_are_replaced() {
    let dataset = Dataset::new().await;
    dataset.create_older(WarehouseTable::TestResponses, &[("mood", "STRING"), ("attempt_id", "")], "").await;
    let insert = "INSERT INTO test_responses (session_id, user_id, mood, rank) VALUES \
                  ('s', 'u0', 'calm', 7), ('s', 'gone', 'calm', 8), ('other', 'u0', 'calm', 9)";
    dataset.bigquery.execute(insert).await.unwrap();
    let warehouse = dataset.warehouse().await;
    for _ in 0..2 {
        write(&warehouse, &[Sample::scored("s", 0..2)]).await;
        let read = "SELECT session_id, user_id, mood, attempt_id IS NULL AS is_theirs FROM test_responses \
                    WHERE section IS NULL OR section = 'overall' ORDER BY session_id, user_id";
        let rows = dataset.bigquery.query(read).await.unwrap();
        let row = |session: &str, user: &str, mood: Value, is_theirs: bool| {
            let row = json!({"session_id": session, "user_id": user, "mood": mood, "is_theirs": is_theirs});
            row.as_object().unwrap().clone()
        };
        let wanted = [
            row("other", "u0", "calm".into(), true),
            row("s", "u0", Value::Null, false),
            row("s", "u1", Value::Null, false),
        ];
        assert_eq!(rows, wanted);
    }
}

#[tokio::test]
async fn wider_types_hold_our_values() {
    let dataset = Dataset::new().await;
    let wider = [
        ("rank", "NUMERIC"),
        ("num_wrong", "BIGNUMERIC"),
        ("num_correct", "FLOAT64"),
        ("start_date", "DATETIME"),
    ];
    dataset.create_older(WarehouseTable::TestResponses, &wider, "").await;
    write(&dataset.warehouse().await, &[Sample::scored("s", 0..4)]).await;
    let read = "SELECT CAST(rank AS INT64) AS rank, CAST(num_wrong AS INT64) AS wrong, num_correct AS correct, \
                CAST(start_date AS STRING) AS start FROM test_responses WHERE user_id = 'u1' AND section = 'overall'";
    let wider_rows = dataset.bigquery.query(read).await.unwrap();

    let usual = Dataset::new().await;
    write(&usual.warehouse().await, &[Sample::scored("s", 0..4)]).await;
    let rows = usual.rows(WarehouseTable::TestResponses, "s").await;
    let row = rows.iter().find(|row| row["user_id"] == "u1" && row["section"] == "overall").unwrap();
    assert!(row["rank"].is_i64());
    assert_eq!((&wider_rows[0]["rank"], &wider_rows[0]["wrong"]), (&row["rank"], &row["num_wrong"]));
    assert_eq!(wider_rows[0]["correct"].as_f64(), row["num_correct"].as_f64());
    assert_eq!(wider_rows[0]["start"], "2024-04-30 00:00:00");
}

#[tokio::test]
async fn refused_tables_are_fixed_by_the_statements() {
    let dataset = Dataset::new().await;
    let faulty = [
        ("rank", "STRING NOT NULL"),
        ("percentile", "INT64"),
        ("num_correct", "ARRAY<INT64>"),
        ("percentage", "FLOAT64 NOT NULL"),
        ("mood", "STRING NOT NULL"),
        ("grade", ""),
    ];
    let filter = "PARTITION BY start_date OPTIONS (require_partition_filter = true)";
    dataset.create_older(WarehouseTable::TestResponses, &faulty, filter).await;
    let clustered = [("user_id", "INT64")];
    dataset.create_older(WarehouseTable::QuestionResponses, &clustered, "CLUSTER BY user_id").await;
    let view = "CREATE VIEW all_responses_form_level AS SELECT 1 AS one";
    dataset.bigquery.execute(view).await.unwrap();

    // One error lists all differences, and nothing is written.
    let name = |table: &str| format!("quiz-test.{}.{table}", dataset.name);
    let (tests, questions) = (name(TESTS), name(WarehouseTable::QuestionResponses.name()));
    let forms = name(WarehouseTable::FormResponses.name());
    let wanted = [
        format!(
            "table {tests}: column num_correct is ARRAY<INT64>, which cannot hold INT64 (run: ALTER TABLE `{tests}` RENAME COLUMN `num_correct` TO `num_correct_old`)"
        ),
        format!(
            "table {tests}: column percentage is REQUIRED, but a sync writes nulls to it (run: ALTER TABLE `{tests}` ALTER COLUMN `percentage` DROP NOT NULL)"
        ),
        format!(
            "table {tests}: column rank is STRING, which cannot hold INT64 (run: ALTER TABLE `{tests}` ALTER COLUMN `rank` DROP NOT NULL; ALTER TABLE `{tests}` RENAME COLUMN `rank` TO `rank_old`)"
        ),
        format!(
            "table {tests}: column percentile is INT64, which cannot hold FLOAT64 (run: ALTER TABLE `{tests}` ALTER COLUMN `percentile` SET DATA TYPE FLOAT64)"
        ),
        format!(
            "table {tests}: column mood is REQUIRED without a default, but a sync does not write it (run: ALTER TABLE `{tests}` ALTER COLUMN `mood` DROP NOT NULL)"
        ),
        format!(
            "table {tests}: each query must have a condition on the partition, but a sync finds rows by session_id (run: ALTER TABLE `{tests}` SET OPTIONS (require_partition_filter = false))"
        ),
        format!(
            "table {questions}: column user_id is INT64, which cannot hold STRING (run: ALTER TABLE `{questions}` RENAME TO `all_responses_question_level_old`)"
        ),
        format!(
            "table {forms}: it is a VIEW, not a table; save its definition first (run: DROP VIEW `{forms}`)"
        ),
    ];
    let error = dataset.refusal().await;
    assert!(error.ends_with(&wanted.join("; ")), "{error}");
    assert_eq!(dataset.jobs().await, Vec::<String>::new());

    // After its statements a sync adds the missing columns and writes.
    for table in WarehouseTable::ALL {
        for Refusal { fix, .. } in dataset.differences(table).await.refusals {
            for statement in fix.split("; ") {
                // local-bigquery looks for the new name and refuses to rename a table.
                let renamed = statement.split_once(" RENAME TO ").map(|(alter, _)| alter);
                let drop = renamed.map(|alter| alter.replace("ALTER TABLE", "DROP TABLE"));
                dataset.bigquery.execute(drop.as_deref().unwrap_or(statement)).await.unwrap();
            }
        }
    }
    write(&dataset.warehouse().await, &[Sample::scored("s", 0..4)]).await;
    assert_eq!(dataset.rows(WarehouseTable::QuestionResponses, "s").await.len(), 12);
    let rows = dataset.rows(WarehouseTable::TestResponses, "s").await;
    assert_eq!(rows.len(), 12);
    assert!(rows.iter().any(|row| row["rank"].is_i64()));
    assert!(rows.iter().all(|row| row["rank_old"].is_null() && row["mood"].is_null()));
    for table in WarehouseTable::ALL {
        let differences = dataset.differences(table).await;
        assert_eq!((differences.to_add, differences.refusals), (Vec::new(), Vec::new()));
    }
}

#[tokio::test]
async fn costly_table_is_logged_once() {
    let dataset = Dataset::new().await;
    dataset.create_older(WarehouseTable::TestResponses, &[], "").await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let warehouse = dataset.warehouse().await;
    for _ in 0..2 {
        write(&warehouse, &[Sample::scored("s", 0..2)]).await;
    }
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("existing table differs")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert!(lines[0].contains(&format!("{}.{TESTS}", dataset.name)), "{lines:?}");
    assert!(lines[0].contains("each sync bills the whole table"), "{lines:?}");
}

/// The lines that the warehouse logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
