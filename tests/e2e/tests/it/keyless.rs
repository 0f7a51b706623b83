//! The deployed sync-warehouse gets Google's tokens by its AWS role: a gate before BigQuery admits no other token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quiz_domain::rows::WarehouseTable;
use quiz_e2e::deploy;
use quiz_e2e::warehouse::WarehousePipeline;
use quiz_sample::sapa;
use quiz_stack::{Action, AwsKey, Federation, Gate, GateRequest, Stack, unique};
use serde_json::json;

/// The credentials that the local Lambda gives its functions.
fn role() -> AwsKey {
    AwsKey { id: "000000000000".to_owned(), secret: "test".to_owned(), session_token: None }
}

/// Answers requests to BigQuery as Google does, when the token is not admitted.
fn gate(endpoint: &str, admits: impl Fn(&GateRequest) -> bool + Send + Sync + 'static) -> Gate {
    let refuse = move |request: &GateRequest| {
        if admits(request) {
            return Action::Forward;
        }
        let error =
            json!({"code": 401, "message": "Request had invalid authentication credentials.", "errors": []});
        let body = json!({ "error": error }).to_string();
        Action::Reply { status: 401, content_type: "application/json", body }
    };
    Gate::start(endpoint, refuse).unwrap()
}

/// Syncs the test session of ten people, and returns the number of its rows.
async fn sync(pipeline: &WarehousePipeline) -> usize {
    pipeline.deployed.publish(&[sapa::SESSION_ID.to_owned()], 1).await;
    pipeline.deployed.wait().await;
    pipeline.rows(WarehouseTable::QuestionResponses, sapa::SESSION_ID).await.len()
}

fn documents() -> quiz_sample::SampleDocuments {
    let mut documents = sapa::documents().unwrap();
    documents.sessions.truncate(10);
    documents
}

#[tokio::test]
async fn deployed_role_writes_rows_without_key() {
    let stack = Stack::get().await.unwrap();
    let google = Federation::start(role()).unwrap();
    let configuration = google.configuration(true).to_string();
    let secret = stack.create_secret(&unique("configuration"), &configuration).await.unwrap();
    let bigquery = gate(stack.bigquery_endpoint(), google.admits());
    let parameters = [("BigQueryEndpoint", bigquery.url()), ("BigQuerySecret", &secret)];
    let pipeline = WarehousePipeline::of(&deploy(&documents(), &parameters).await).await;
    assert!(sync(&pipeline).await > 0);
    let (federated, impersonated) = google.exchanges();
    assert!(federated > 0 && federated == impersonated, "{federated} {impersonated}");
    assert_eq!(pipeline.deployed.deployment.issuer.requests().len(), 0, "no key is used");
}

#[tokio::test]
async fn deployed_function_moves_from_key_to_role() {
    let stack = Stack::get().await.unwrap();
    let google = Federation::start(role()).unwrap();
    let (federated, is_deleted) = (google.admits(), Arc::new(AtomicBool::new(false)));
    let deleted = Arc::clone(&is_deleted);
    let bigquery =
        gate(stack.bigquery_endpoint(), move |request| federated(request) || !deleted.load(Ordering::SeqCst));
    let deployment = deploy(&documents(), &[("BigQueryEndpoint", bigquery.url())]).await;
    let pipeline = WarehousePipeline::of(&deployment).await;
    let rows = sync(&pipeline).await;
    assert!(rows > 0);
    assert_eq!(google.exchanges(), (0, 0));

    let secret = format!("{}-bigquery-key", deployment.name());
    stack.put_secret(&secret, &google.configuration(true).to_string()).await.unwrap();
    assert_eq!(sync(&pipeline).await, rows, "the key is still valid");
    is_deleted.store(true, Ordering::SeqCst);
    assert_eq!(sync(&pipeline).await, rows);
    assert!(google.exchanges().1 > 0);
    let parked = stack.queue_depth(&pipeline.deployed.queue.dlq_url).await.unwrap();
    assert_eq!(parked.visible, 0);
}
