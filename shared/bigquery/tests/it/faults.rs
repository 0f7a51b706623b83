//! Faults between the warehouse and BigQuery, made by a gate in front of local-bigquery.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use quiz_bigquery::{BigQueryWarehouse, Credentials, UploadSizes};
use quiz_domain::rows::WarehouseTable;
use quiz_pipeline::ports::{StagedSession, Warehouse, WarehouseError};
use quiz_stack::{Action, Gate, GateRequest, Stack};
use quiz_suites::warehouse::{Rows, Sample, write};
use serde_json::json;

use crate::common::Dataset;

async fn gate(rule: impl Fn(&GateRequest) -> Action + Send + Sync + 'static) -> Gate {
    Gate::start(Stack::get().await.unwrap().bigquery_endpoint(), rule).unwrap()
}

fn reply(status: u16, body: &serde_json::Value) -> Action {
    Action::Reply { status, content_type: "application/json", body: body.to_string() }
}

fn html(status: u16) -> Action {
    let body = "<html><title>Sign in</title></html>".to_owned();
    Action::Reply { status, content_type: "text/html", body }
}

fn refusal(status: u16, reason: &str, message: &str) -> Action {
    let errors = json!([{"reason": reason, "message": message, "domain": "global"}]);
    let status_text = "PERMISSION_DENIED";
    reply(
        status,
        &json!({"error": {"code": status, "message": message, "errors": errors, "status": status_text}}),
    )
}

fn text(request: &GateRequest) -> String {
    String::from_utf8_lossy(&request.body).into_owned()
}

/// Writes test sessions and returns the result of each.
async fn results(warehouse: &BigQueryWarehouse, sessions: &[&str]) -> Vec<Result<(), WarehouseError>> {
    let batch = warehouse.begin().unwrap();
    let mut staged: Vec<StagedSession> = Vec::new();
    for session in sessions {
        staged.push(Sample::scored(session, 0..3).stage(&*batch).await);
    }
    batch.replace(&staged).await
}

async fn write_error(warehouse: &BigQueryWarehouse) -> WarehouseError {
    results(warehouse, &["s"]).await.remove(0).unwrap_err()
}

#[tokio::test]
async fn four_503_answers_are_retried() {
    let dataset = Dataset::new().await;
    let busy = || refusal(503, "backendError", "Error encountered during execution. Retrying may solve it.");
    let gate = gate(move |request| if request.index < 4 { busy() } else { Action::Forward }).await;
    write(&dataset.behind(gate.url()), &[Sample::scored("s", 0..3)]).await;
    assert_eq!(dataset.rows(WarehouseTable::QuestionResponses, "s").await.len(), 9);
}

#[tokio::test]
async fn html_page_is_a_retryable_error() {
    let dataset = Dataset::new().await;
    for (status, named) in
        [(200, "status 200 OK"), (403, "status 403 Forbidden"), (503, "status 503 Service Unavailable")]
    {
        let pages = gate(move |_| html(status)).await;
        let error = write_error(&dataset.behind(pages.url())).await;
        assert!(error.is_retryable(), "{error}");
        let rest = " with a body that is not the JSON of BigQuery's API: check BIGQUERY_ENDPOINT";
        assert!(error.to_string().contains(&format!("{named}{rest}")), "{error}");
    }
    let some = gate(|request| if request.index % 3 == 0 { html(502) } else { Action::Forward }).await;
    write(&dataset.behind(some.url()), &[Sample::scored("s", 0..3)]).await;
    assert_eq!(dataset.rows(WarehouseTable::QuestionResponses, "s").await.len(), 9);
}

#[tokio::test]
async fn missing_permission_is_named_and_not_retried() {
    let dataset = Dataset::new().await;
    let message = "Access Denied: Table p:d.test_responses: Permission bigquery.tables.get denied";
    let gate = gate(move |_| refusal(403, "accessDenied", message)).await;
    let error = write_error(&dataset.behind(gate.url())).await;
    assert!(matches!(error, WarehouseError::Refused { .. }), "{error}");
    assert!(error.to_string().contains(message), "{error}");
    assert_eq!(gate.requests().len(), 1);
}

#[tokio::test]
async fn refusal_without_reasons_is_read() {
    let dataset = Dataset::new().await;
    let body = json!({"error": {"code": 403, "message": "no entry", "status": "PERMISSION_DENIED"}});
    let gate = gate(move |_| reply(403, &body)).await;
    let error = write_error(&dataset.behind(gate.url())).await;
    assert!(matches!(error, WarehouseError::Refused { .. }), "{error}");
    assert!(
        error.to_string().contains("BigQuery answered 403") && error.to_string().contains("no entry"),
        "{error}"
    );
    assert_eq!(gate.requests().len(), 1);
}

#[tokio::test]
async fn lost_answers_load_and_replace_nothing_twice() {
    let dataset = Dataset::new().await;
    // The first try of each call that starts a job arrives, but its answer is lost.
    let calls = AtomicUsize::new(0);
    let gate = gate(move |request| {
        let starts = request.method == "POST" && request.path_and_query.contains("/jobs");
        let lost = starts && calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        if lost { Action::CutAfterForwarding } else { Action::Forward }
    })
    .await;
    write(&dataset.behind(gate.url()), &[Sample::scored("s", 0..3), Sample::scored("t", 0..3)]).await;
    assert_eq!(dataset.jobs().await, ["commit_1", "load_1", "tables"]);
    for session in ["s", "t"] {
        assert_eq!(dataset.rows(WarehouseTable::QuestionResponses, session).await.len(), 9);
    }
}

#[tokio::test]
async fn cut_upload_continues_where_it_stopped() {
    let dataset = Dataset::new().await;
    let puts = AtomicUsize::new(0);
    let gate = gate(move |request| match request.method.as_str() {
        "PUT" => match puts.fetch_add(1, Ordering::SeqCst) % 5 {
            1 => Action::Cut,
            3 => Action::CutAfterForwarding,
            _ => Action::Forward,
        },
        _ => Action::Forward,
    })
    .await;
    let mut settings = dataset.settings(gate.url());
    settings.uploads = UploadSizes { at_once: 1 << 10, chunk: 4 << 10 };
    let warehouse = BigQueryWarehouse::new(settings, Arc::new(Credentials::Anonymous));
    write(&warehouse, &[Sample::scored("s", 0..2_000)]).await;
    assert_eq!(dataset.count(WarehouseTable::QuestionResponses).await, 6_000);
    assert_eq!(dataset.jobs().await, ["commit_1", "load_1", "tables"]);
    let chunks = gate.requests().iter().filter(|request| request.method == "PUT").count();
    assert!(chunks > 5, "{chunks} chunks");
}

#[tokio::test]
async fn refused_rows_stop_only_their_own_session() {
    let dataset = Dataset::new().await;
    // The loads with s2 fail: of s0 … s3, of s2 and s3, of s2.
    let gate = gate(|request| {
        let body = text(request);
        let Some((name, _)) = body.split_once("_load_1\"") else { return Action::Forward };
        let name = name.rsplit('"').next().unwrap();
        let halves = name.rsplit('_').next().unwrap().get(16..).unwrap();
        if !["", "b", "ba"].contains(&halves) {
            return Action::Forward;
        }
        let first = json!({"reason": "invalid", "message": "Error while reading data. Rows: 7; errors: 1."});
        let row = json!({
            "reason": "invalid", "location": "row 7",
            "message": "Invalid date value. Field: end_date; Value: 20000-01-01",
        });
        let status = json!({"state": "DONE", "errorResult": first, "errors": [first, row]});
        reply(200, &json!({"jobReference": {"jobId": format!("{name}_load_1")}, "status": status}))
    })
    .await;
    let results = results(&dataset.behind(gate.url()), &["s0", "s1", "s2", "s3"]).await;
    for (at, result) in results.iter().enumerate() {
        let rows = dataset.rows(WarehouseTable::QuestionResponses, &format!("s{at}")).await.len();
        match result {
            Ok(()) => assert_eq!(rows, 9, "s{at}"),
            Err(error) => {
                assert_eq!((at, rows), (2, 0));
                assert!(error.concerns_one_session());
                let text = error.to_string();
                assert!(text.starts_with("the warehouse refuses rows of session s2: "), "{text}");
                assert!(
                    text.contains("row 7: Invalid date value. Field: end_date; Value: 20000-01-01"),
                    "{text}"
                );
            }
        }
    }
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
}

#[tokio::test]
async fn only_refused_transactions_are_halved() {
    let dataset = Dataset::new().await;
    let failed = |name: &str, reason: &str, message: &str| {
        let error = json!({"reason": reason, "location": "query", "message": message});
        let status = json!({"state": "DONE", "errorResult": error, "errors": [error]});
        reply(200, &json!({"jobReference": {"jobId": name}, "status": status}))
    };
    let gate = gate(move |request| {
        let body = text(request);
        let Some((name, attempt)) = body.split_once("_commit_") else { return Action::Forward };
        let name = name.rsplit('"').next().unwrap();
        match (name.rsplit('_').next().unwrap().get(16..).unwrap(), attempt.get(..1).unwrap()) {
            ("" | "b", _) => failed(name, "invalidQuery", "Too many partitions produced by query"),
            (_, "1") => failed(name, "invalidQuery", "Transaction is aborted due to concurrent update"),
            _ => Action::Forward,
        }
    })
    .await;
    let results = results(&dataset.behind(gate.url()), &["s0", "s1"]).await;
    assert!(results[0].is_ok());
    let error = results[1].as_ref().unwrap_err();
    assert!(matches!(error, WarehouseError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("Too many partitions"), "{error}");
    assert_eq!(dataset.rows(WarehouseTable::TestResponses, "s0").await.len(), 9);
    let loads =
        gate.requests().iter().filter(|request| request.path_and_query.starts_with("/upload")).count();
    assert_eq!(loads, 1, "the rows are loaded once for all tries");
}

#[tokio::test]
async fn commit_without_an_answer_leaves_rows_once() {
    let dataset = Dataset::new().await;
    write(&dataset.warehouse().await, &[Sample::scored("other", 0..1)]).await;
    // the transaction runs, but each answer about it is lost
    let gate = gate(|request| {
        let asks = request.path_and_query.contains("_commit_") || text(request).contains("_commit_");
        if asks { Action::CutAfterForwarding } else { Action::Forward }
    })
    .await;
    let error = results(&dataset.behind(gate.url()), &["s"]).await.remove(0).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let again = [Sample::scored("s", 0..3).by_run(2)];
    write(&dataset.warehouse().await, &again).await;
    for table in [WarehouseTable::TestResponses, WarehouseTable::QuestionResponses] {
        assert_eq!(dataset.rows(table, "s").await.len(), 9);
    }
}

#[tokio::test]
async fn billed_bytes_are_counted_and_bounded() {
    let dataset = Dataset::new().await;
    let gate = gate(|request| {
        let body = text(request);
        let Some((name, _)) = body.split_once("_commit_1\"") else { return Action::Forward };
        let name = name.rsplit('"').next().unwrap();
        assert!(body.contains(r#""maximumBytesBilled":"1099511627776""#), "{body}");
        let statistics = json!({"query": {"totalBytesBilled": "20971520"}});
        let job = json!({"jobReference": {"jobId": format!("{name}_commit_1")},
            "statistics": statistics, "status": {"state": "DONE"}});
        reply(200, &job)
    })
    .await;
    let batch = dataset.behind(gate.url()).begin().unwrap();
    let staged = Sample::scored("s", 0..1).stage(&*batch).await;
    assert!(batch.replace(&[staged]).await.remove(0).is_ok());
    assert_eq!((batch.take_billed_bytes(), batch.take_billed_bytes()), (20 << 20, 0));
}

#[tokio::test]
async fn bytes_of_abandoned_jobs_are_counted_later() {
    let dataset = Dataset::new().await;
    write(&dataset.warehouse().await, &[Sample::scored("other", 0..1)]).await;
    let answers = Arc::new(AtomicBool::new(false));
    let is_answered = Arc::clone(&answers);
    // the first commit goes on without an answer; the second one ends at once
    let gate = gate(move |request| {
        let body = text(request);
        let asked = format!("{} {body}", request.path_and_query);
        let Some((name, attempt)) = asked.split_once("_commit_") else { return Action::Forward };
        let name = name.rsplit(['"', '/']).next().unwrap();
        let attempt = attempt.get(..1).unwrap();
        let (state, billed) = match (attempt, request.method.as_str()) {
            ("1", "POST") => ("RUNNING", 0),
            ("1", _) if !is_answered.load(Ordering::SeqCst) => return Action::Cut,
            ("1", _) => ("DONE", 20 << 20),
            _ => ("DONE", 10 << 20),
        };
        let statistics = json!({"query": {"totalBytesBilled": format!("{billed}")}});
        let id = json!({"jobId": format!("{name}_commit_{attempt}")});
        reply(200, &json!({"jobReference": id, "statistics": statistics, "status": {"state": state}}))
    })
    .await;
    let warehouse = dataset.behind(gate.url());
    let batch = warehouse.begin().unwrap();
    let staged = Sample::scored("s", 0..1).stage(&*batch).await;
    assert!(batch.replace(&[staged]).await.remove(0).is_ok());
    assert_eq!(batch.take_billed_bytes(), 10 << 20, "the warehouse has not read the end of the first job");

    answers.store(true, Ordering::SeqCst);
    let batch = warehouse.begin().unwrap();
    let staged = Sample::scored("s", 0..1).stage(&*batch).await;
    assert!(batch.replace(&[staged]).await.remove(0).is_ok());
    assert_eq!(batch.take_billed_bytes(), (20 + 20) << 20, "the abandoned job, and this batch's first job");
}

#[tokio::test]
async fn deletion_without_dates_is_committed_apart() {
    let dataset = Dataset::new().await;
    // BigQuery refuses the deletion that reads whole tables
    let gate = gate(|request| {
        let body = text(request);
        let Some((name, _)) = body.split_once("u_commit_1\"") else { return Action::Forward };
        let name = name.rsplit('"').next().unwrap();
        let error =
            json!({"reason": "bytesBilledLimitExceeded", "message": "Query exceeded limit for bytes billed"});
        let status = json!({"state": "DONE", "errorResult": error, "errors": [error]});
        reply(200, &json!({"jobReference": {"jobId": format!("{name}u_commit_1")}, "status": status}))
    })
    .await;
    let warehouse = dataset.behind(gate.url());
    let batch = warehouse.begin().unwrap();
    let mut staged = Vec::new();
    for sample in
        [Sample::scored("old", 0..2), Sample::scored("new", 0..3).after([]), Sample::scored("older", 0..2)]
    {
        staged.push(sample.stage(&*batch).await);
    }
    let results = batch.replace(&staged).await;
    assert!(matches!(&results[..], [Err(_), Ok(()), Err(_)]), "{results:?}");
    let error = results[0].as_ref().unwrap_err().to_string();
    assert!(
        error.ends_with("Query exceeded limit for bytes billed: raise BIGQUERY_BYTES_PER_JOB"),
        "{error}"
    );
    assert_eq!(dataset.rows(WarehouseTable::QuestionResponses, "new").await.len(), 9);
    assert_eq!(dataset.rows(WarehouseTable::QuestionResponses, "old").await.len(), 0);
}

#[tokio::test]
async fn overtaken_commit_changes_nothing_and_others_land() {
    let dataset = Dataset::new().await;
    let warehouse = dataset.warehouse().await;
    let later = warehouse.begin().unwrap();
    let test = Sample::scored("overtaken", 0..5).by_run(2).stage(&*later).await;
    assert!(later.replace(&[test]).await.remove(0).is_ok());

    let results = results(&warehouse, &["a", "overtaken", "b"]).await;
    assert!(
        matches!(&results[..], [Ok(()), Err(WarehouseError::LeaseOver { session_id }), Ok(())] if session_id == "overtaken"),
        "{results:?}"
    );
    for (session, participants) in [("a", 3), ("overtaken", 5), ("b", 3)] {
        assert_eq!(dataset.rows(WarehouseTable::QuestionResponses, session).await.len(), participants * 3);
    }
}
