//! Events pass SNS and SQS to the deployed sync-warehouse. The test reads the rows from BigQuery.

use std::collections::{BTreeSet, HashMap};

use mongodb::bson::{bson, doc};
use quiz_domain::rows::WarehouseTable;
use quiz_e2e::warehouse::{Row, WarehousePipeline, comparable, filter_by_readers, read_by_duckdb};
use quiz_e2e::{quizzes, run_local};
use quiz_local::ParquetWarehouse;
use quiz_sample::{SampleDocuments, sapa};
use quiz_suites::parquet::read_parquet;

fn some_of_sapa(sessions: usize) -> SampleDocuments {
    let mut documents = sapa::documents().unwrap();
    documents.sessions.truncate(sessions);
    documents
}

fn number(row: &Row, name: &str) -> f64 {
    row[name].as_f64().unwrap_or_else(|| panic!("{name} of {row:?}"))
}

#[tokio::test]
async fn completions_become_exact_rows() {
    let pipeline = WarehousePipeline::deploy(&sapa::documents().unwrap(), None).await;
    let events: Vec<String> =
        sapa::completion_events().unwrap().iter().take(10).map(ToString::to_string).collect();
    pipeline.deployed.publish(&events, 10).await;
    pipeline.deployed.wait().await;

    let questions = pipeline.rows(WarehouseTable::QuestionResponses, sapa::SESSION_ID).await;
    let tests = pipeline.rows(WarehouseTable::TestResponses, sapa::SESSION_ID).await;
    assert_eq!((questions.len(), tests.len()), (24_400, sapa::PARTICIPANTS * 5));
    assert!(
        !pipeline.deployed.deployment.issuer.requests().is_empty(),
        "the key of Secrets Manager got a token"
    );
    assert_eq!(pipeline.rows(WarehouseTable::FormResponses, sapa::SESSION_ID).await, []);
    let published = sapa::published_outcomes().unwrap();
    let mut cells = 0;
    for (person, rows) in published_with(&published, &questions) {
        for (correct, row) in person.correct.iter().zip(rows) {
            let (outcome, is_correct, marks) = match correct {
                Some(true) => ("correct", 1.0, 4.0),
                Some(false) => ("wrong", 0.0, -1.0),
                None => ("skipped", 0.0, 0.0),
            };
            assert_eq!(row["outcome"], outcome, "{row:?}");
            assert_eq!(row["is_answered"], correct.is_some(), "{row:?}");
            assert!((number(row, "is_correct") - is_correct).abs() < 1e-9, "{row:?}");
            assert!((number(row, "marks_scored") - marks).abs() < 1e-9, "{row:?}");
            assert!((number(row, "max_marks") - 4.0).abs() < 1e-9, "{row:?}");
            cells += 1;
        }
    }
    assert_eq!(cells, 24_400);

    for section in ["overall", "Verbal Reasoning", "Letter Series", "Matrix Reasoning", "Spatial Rotation"] {
        let rows: Vec<&Row> = tests.iter().filter(|row| row["section"] == section).collect();
        assert_eq!(rows.len(), sapa::PARTICIPANTS);
        let marks: Vec<f64> = rows.iter().map(|row| number(row, "marks_scored")).collect();
        let mut sums: HashMap<&str, f64> = HashMap::new();
        for row in questions.iter().filter(|row| section == "overall" || row["section"] == section) {
            *sums.entry(row["user_id"].as_str().unwrap()).or_default() += number(row, "marks_scored");
        }
        for (row, own) in rows.iter().zip(&marks) {
            let sum = sums[row["user_id"].as_str().unwrap()];
            assert!((sum - own).abs() < 1e-9, "{row:?}");
            let above = marks.iter().filter(|other| *other > own).count();
            let not_above = marks.iter().filter(|other| *other <= own).count();
            assert!((number(row, "rank") - count(above + 1)).abs() < 1e-9, "{row:?}");
            let percentile = 100.0 * count(not_above) / count(sapa::PARTICIPANTS);
            assert!((number(row, "percentile") - percentile).abs() < 1e-9, "{row:?}");
        }
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

fn published_with<'a>(
    published: &'a [sapa::PublishedOutcomes],
    questions: &'a [Row],
) -> Vec<(&'a sapa::PublishedOutcomes, Vec<&'a Row>)> {
    let mut by_user: HashMap<&str, Vec<&Row>> = HashMap::new();
    for row in questions {
        by_user.entry(row["user_id"].as_str().unwrap()).or_default().push(row);
    }
    published.iter().map(|person| (person, by_user.remove(person.user_id.as_str()).unwrap())).collect()
}

#[tokio::test]
async fn repeated_concurrent_events_leave_same_rows() {
    let pipeline = WarehousePipeline::deploy(&some_of_sapa(80), None).await;
    let event = sapa::SESSION_ID.to_owned();
    pipeline.deployed.publish(std::slice::from_ref(&event), 1).await;
    pipeline.deployed.wait().await;
    let before = pipeline.all_rows(sapa::SESSION_ID).await;
    assert!(before[0].len() > 300 && before[1].len() > 1_000);
    pipeline.deployed.publish(&[event.clone(), event], 1).await;
    pipeline.deployed.wait().await;
    assert_eq!(pipeline.all_rows(sapa::SESSION_ID).await, before);
    let dlq = pipeline.deployed.stack.queue_depth(&pipeline.deployed.queue.dlq_url).await.unwrap();
    assert_eq!(dlq.visible, 0);
}

#[tokio::test]
async fn changed_documents_replace_old_rows() {
    let documents = some_of_sapa(60);
    let pipeline = WarehousePipeline::deploy(&documents, None).await;
    let event = sapa::SESSION_ID.to_owned();
    pipeline.deployed.publish(std::slice::from_ref(&event), 10).await;
    pipeline.deployed.wait().await;
    let before = pipeline.all_rows(sapa::SESSION_ID).await;

    let sessions = pipeline.database.collection::<mongodb::bson::Document>("sessions");
    sessions.delete_many(doc! {"user_id": "sapa-5"}).await.unwrap();
    let changed = doc! {"$set": {"session_answers.0.answer": bson!([0]), "session_answers.1.answer": null}};
    sessions.update_many(doc! {"user_id": "sapa-7"}, changed).await.unwrap();
    let renamed = doc! {"$set": {"metadata.subject": "Series"}};
    let old_subject = doc! {"metadata.subject": "Letter Series"};
    let questions = pipeline.database.collection::<mongodb::bson::Document>("questions");
    assert!(questions.update_many(old_subject, renamed).await.unwrap().modified_count == 4);
    let quizzes = pipeline.database.collection::<mongodb::bson::Document>("quizzes");
    let mut quiz = quizzes.find_one(doc! {}).await.unwrap().unwrap();
    for question in quiz.get_array_mut("question_sets").unwrap()[0]
        .as_document_mut()
        .unwrap()
        .get_array_mut("questions")
        .unwrap()
    {
        if let Ok(metadata) = question.as_document_mut().unwrap().get_document_mut("metadata")
            && metadata.get_str("subject").is_ok_and(|subject| subject == "Letter Series")
        {
            metadata.insert("subject", "Series");
        }
    }
    quizzes.replace_one(doc! {}, quiz).await.unwrap();

    pipeline.deployed.publish(&[event], 10).await;
    pipeline.deployed.wait().await;
    let after = pipeline.all_rows(sapa::SESSION_ID).await;
    assert_eq!(after[0].len(), before[0].len() - 5);
    assert_eq!(after[1].len(), before[1].len() - 16);
    for rows in &after {
        assert!(!rows.iter().any(|row| row["user_id"] == "sapa-5" || row["section"] == "Letter Series"));
    }
    assert_eq!(after[0].iter().filter(|row| row["section"] == "Series").count(), after[0].len() / 5);
    let row_at = |position: f64| {
        let is = |row: &&Row| row["user_id"] == "sapa-7" && (number(row, POSITION) - position).abs() < 1e-9;
        after[1].iter().find(is).unwrap()
    };
    let (first, second) = (row_at(0.0), row_at(1.0));
    assert_eq!((&second["user_response"], &second["outcome"]), (&().into(), &"skipped".into()));
    assert_eq!(first["user_response"], "[0]");
}

const POSITION: &str = "question_position_index";

#[tokio::test]
async fn local_parquet_rows_equal_bigquery_rows() {
    let documents = quizzes::documents();
    let folder = run_local(&documents, false);
    let out = folder.path().join("out");

    let pipeline = WarehousePipeline::deploy(&documents, None).await;
    let ids: Vec<String> =
        documents.quizzes.iter().map(|quiz| quiz.get_str("_id").unwrap().to_owned()).collect();
    pipeline.deployed.publish(&ids, 10).await;
    pipeline.deployed.wait().await;
    let mut compared = 0;
    for id in &ids {
        for table in WarehouseTable::ALL {
            let bigquery_rows = pipeline.rows(table, id).await;
            let file = ParquetWarehouse::new(out.join("warehouse")).file(table, id);
            if bigquery_rows.is_empty() {
                assert!(!file.exists(), "{}", file.display());
                continue;
            }
            assert_eq!(read_by_duckdb(&file).await, bigquery_rows, "{} of {id} by DuckDB", table.name());
            let polars_rows = comparable(read_parquet(&file));
            assert_eq!(polars_rows, bigquery_rows, "{} of {id} by polars", table.name());
            compared += bigquery_rows.len();
        }
    }
    assert!(compared > 300, "{compared} rows");
}

#[tokio::test]
async fn analysts_readers_filter_the_parquet_files() {
    let documents = quizzes::documents();
    let folder = run_local(&documents, false);
    let mut types = BTreeSet::new();
    for (table, column) in [
        (WarehouseTable::TestResponses, "section"),
        (WarehouseTable::QuestionResponses, "user_id"),
        (WarehouseTable::FormResponses, "user_id"),
    ] {
        let files = folder.path().join("out/warehouse").join(table.name());
        for file in std::fs::read_dir(files).unwrap() {
            let file = file.unwrap().path();
            let rows = read_parquet(&file);
            let value = rows[0][column].as_str().unwrap();
            let expected = rows.iter().filter(|row| row[column] == value).count();
            let filtered = filter_by_readers(&file, (column, value)).await;
            assert_eq!(filtered.rows, [expected; 3], "{}", file.display());
            types.extend(filtered.types);
        }
    }
    // pyarrow 14 and polars 0.20 support these types, but not `string_view`
    let known = ["bool", "date32[day]", "double", "int64", "string", "timestamp[us, tz=UTC]"];
    assert_eq!(types, known.map(str::to_owned).into());
}
