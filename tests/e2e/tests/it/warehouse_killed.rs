//! The deployed sync-warehouse is killed during its writes: the old rows stay complete, and the request returns and is
//! synced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use mongodb::bson::{Document, doc};
use quiz_domain::rows::WarehouseTable;
use quiz_e2e::PATIENCE;
use quiz_e2e::warehouse::WarehousePipeline;
use quiz_sample::sapa;
use quiz_stack::{Action, Gate, GateRequest, Stack, eventually};
use serde_json::json;

/// The moment at which the run is held and killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The load job has started, and the function polls the job.
    AfterTheLoad,
    /// The function has seen the end of the load, and has not begun the transaction.
    BeforeTheCommit,
}

const OPEN: u8 = 0;
const CLOSED: u8 = 1;

fn is_load(request: &GateRequest) -> bool {
    request.path_and_query.starts_with("/upload/")
}

fn rule(moment: Moment, request: &GateRequest) -> Action {
    let body = String::from_utf8_lossy(&request.body);
    match moment {
        Moment::AfterTheLoad if is_load(request) => {
            let name = body.split("\"jobId\":\"").nth(1).and_then(|text| text.split('"').next()).unwrap();
            let running = json!({"jobReference": {"jobId": name}, "status": {"state": "RUNNING"}});
            let (status, content_type) = (200, "application/json");
            Action::ReplyAfterForwarding { status, content_type, body: running.to_string() }
        }
        Moment::AfterTheLoad if request.method == "GET" && request.path_and_query.contains("_load_1") => {
            Action::Hold
        }
        Moment::BeforeTheCommit if body.contains("BEGIN TRANSACTION") => Action::Hold,
        _ => Action::Forward,
    }
}

async fn killed_at(moment: Moment) {
    let stack = Stack::get().await.unwrap();
    let state = Arc::new(AtomicU8::new(OPEN));
    let gate_state = Arc::clone(&state);
    let gate = Gate::start(stack.bigquery_endpoint(), move |request| {
        if gate_state.load(Ordering::SeqCst) == OPEN { Action::Forward } else { rule(moment, request) }
    })
    .unwrap();
    let mut documents = sapa::documents().unwrap();
    documents.sessions.truncate(60);
    let pipeline = WarehousePipeline::deploy(&documents, Some(gate.url())).await;
    pipeline.deployed.set_visibility(Duration::from_secs(15)).await;
    let event = sapa::SESSION_ID.to_owned();
    pipeline.deployed.publish(std::slice::from_ref(&event), 10).await;
    pipeline.deployed.wait().await;
    let before = pipeline.all_rows(sapa::SESSION_ID).await;

    let sessions = pipeline.database.collection::<Document>("sessions");
    sessions.delete_many(doc! {"user_id": "sapa-5"}).await.unwrap();
    state.store(CLOSED, Ordering::SeqCst);
    pipeline.deployed.publish(&[event], 10).await;
    eventually("a run that stands still", PATIENCE, async || Ok((gate.held() > 0).then_some(())))
        .await
        .unwrap();
    let loads = gate.requests().iter().filter(|request| is_load(request)).count();
    assert_eq!(loads, 2, "the rows are loaded");
    assert_eq!(pipeline.all_rows(sapa::SESSION_ID).await, before, "the old rows are complete");
    let killed = stack.kill_function(&pipeline.deployed.name).unwrap();
    assert!(killed > 0, "no process was killed");
    assert_eq!(pipeline.all_rows(sapa::SESSION_ID).await, before, "the old rows are complete");

    state.store(OPEN, Ordering::SeqCst);
    pipeline.deployed.wait().await;
    let after = pipeline.all_rows(sapa::SESSION_ID).await;
    assert_eq!(after[0].len(), before[0].len() - 5);
    assert_eq!(after[1].len(), before[1].len() - 16);
    assert!(after.iter().flatten().all(|row| row["user_id"] != "sapa-5"));
    let mut left: Vec<String> = pipeline.bigquery.tables().await.unwrap();
    let is_kept = |name: &str| {
        name == "quiz_etl_generations" || WarehouseTable::ALL.iter().any(|table| table.name() == name)
    };
    left.retain(|name| !is_kept(name));
    assert_eq!(left.len(), 1, "the killed run's staging table: {left:?}");
    let staging = pipeline.bigquery.table(&left[0]).await.unwrap().unwrap();
    assert!(staging["expirationTime"].is_string(), "it expires: {staging}");
}

#[tokio::test]
async fn run_killed_after_load_keeps_old_rows() {
    killed_at(Moment::AfterTheLoad).await;
}

#[tokio::test]
async fn run_killed_before_commit_keeps_old_rows() {
    killed_at(Moment::BeforeTheCommit).await;
}
