//! The warehouse on local-bigquery.

use futures::future::join_all;
use quiz_domain::rows::WarehouseTable;
use quiz_pipeline::ports::{StagedSession, Warehouse, WarehouseError};
use quiz_suites::warehouse::{Rows, Sample, warehouse, write};

use crate::common::Dataset;

#[tokio::test]
async fn warehouse_fulfils_the_port() {
    let dataset = Dataset::new().await;
    warehouse(&dataset.warehouse().await, &dataset, "session").await;
}

#[tokio::test]
async fn fifty_sessions_are_one_load_and_one_transaction() {
    let dataset = Dataset::new().await;
    let warehouse = dataset.warehouse().await;
    let samples: Vec<Sample> = (0..50).map(|at| Sample::scored(&format!("s{at}"), 0..4)).collect();
    write(&warehouse, &samples).await;
    assert_eq!(dataset.jobs().await, ["commit_1", "load_1", "tables"]);
    write(&warehouse, &samples).await;
    assert_eq!(dataset.jobs().await, ["commit_1", "commit_1", "load_1", "load_1", "tables"]);
    assert_eq!(dataset.count(WarehouseTable::QuestionResponses).await, 50 * 4 * 3);
    let tables = dataset.bigquery.tables().await.unwrap();
    assert_eq!(tables.len(), 4, "staging tables are dropped: {tables:?}");
}

#[tokio::test]
async fn concurrent_runs_leave_rows_once() {
    let dataset = Dataset::new().await;
    // no rows yet: the transactions must conflict all the same
    write(&dataset.warehouse().await, &[Sample::scored("other", 0..1)]).await;
    let runs = (0..5).map(|_| async {
        let warehouse = dataset.warehouse().await;
        write(&warehouse, &[Sample::scored("s", 0..40)]).await;
    });
    join_all(runs).await;
    assert_eq!(dataset.rows(WarehouseTable::QuestionResponses, "s").await.len(), 120);
    assert_eq!(dataset.rows(WarehouseTable::TestResponses, "s").await.len(), 120);
}

#[tokio::test]
async fn later_generation_wins_whatever_the_clock_says() {
    let dataset = Dataset::new().await;
    let warehouse = dataset.warehouse().await;
    let replace = |sample: Sample, minutes: i64| {
        let warehouse = warehouse.clone();
        async move {
            let batch = warehouse.begin().unwrap();
            let mut staged = sample.stage(&*batch).await;
            staged.inserted_at += jiff::SignedDuration::from_mins(minutes);
            batch.replace(&[staged]).await.remove(0)
        }
    };
    let participants = async || dataset.rows(WarehouseTable::QuestionResponses, "s").await.len() / 3;
    // the clock of the first function is an hour ahead
    replace(Sample::scored("s", 0..1).by_run(5), 60).await.unwrap();
    replace(Sample::scored("s", 0..2).by_run(6), 0).await.unwrap();
    assert_eq!(participants().await, 2);
    let late = replace(Sample::scored("s", 0..3).by_run(5), 120).await;
    assert!(matches!(late, Err(WarehouseError::LeaseOver { .. })), "{late:?}");
    assert_eq!(participants().await, 2);
    // a row without a generation is older
    dataset.bigquery.execute("UPDATE quiz_etl_generations SET generation = NULL WHERE true").await.unwrap();
    replace(Sample::scored("s", 0..4).by_run(1), 0).await.unwrap();
    assert_eq!(participants().await, 4);
}

#[tokio::test]
async fn rows_of_an_older_program_are_replaced_once_without_dates() {
    let dataset = Dataset::new().await;
    let warehouse = dataset.warehouse().await;
    write(&warehouse, &[Sample::scored("s", 0..2), Sample::scored("other", 0..2)]).await;
    let move_rows = |session: &str, day: &str| {
        let set = format!("UPDATE test_responses SET start_date = {day} WHERE session_id = '{session}'");
        let dataset = &dataset;
        async move { dataset.bigquery.execute(&set).await.unwrap() }
    };
    let nullable = "ALTER TABLE test_responses ALTER COLUMN start_date DROP NOT NULL";
    dataset.bigquery.execute(nullable).await.unwrap();
    // a run that knows no dates finds rows of any date, and rows without one
    move_rows("s", "NULL").await;
    write(&warehouse, &[Sample::scored("s", 0..1).by_run(2)]).await;
    assert_eq!(dataset.rows(WarehouseTable::TestResponses, "s").await.len(), 3);
    // so does the first sync of a test session that is older than the table of generations
    move_rows("s", "DATE '2023-01-01'").await;
    write(&warehouse, &[Sample::scored("s", 0..2).by_run(3).first()]).await;
    assert_eq!(dataset.rows(WarehouseTable::TestResponses, "s").await.len(), 6);
    // a run that knows them reads no other partition
    move_rows("other", "DATE '2023-01-01'").await;
    let known = jiff::civil::date(2024, 4, 30);
    write(&warehouse, &[Sample::scored("other", 0..1).by_run(2).after([known])]).await;
    assert_eq!(dataset.rows(WarehouseTable::TestResponses, "other").await.len(), 6 + 3);
}

#[tokio::test]
async fn missing_dataset_is_named() {
    let dataset = Dataset::new().await;
    let other = Dataset { name: "nowhere".to_owned(), ..dataset };
    let batch = other.warehouse().await.begin().unwrap();
    let staged: StagedSession = Sample::scored("a", 0..1).stage(&*batch).await;
    let error = batch.replace(&[staged]).await.remove(0).unwrap_err();
    assert!(matches!(error, WarehouseError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn warehouse_page_matches_the_columns() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/WAREHOUSE.md");
    assert!(
        std::fs::read_to_string(page).unwrap() == quiz_bigquery::page(),
        "run `cargo run -p quiz-bigquery --example warehouse_page > docs/WAREHOUSE.md`"
    );
}
