//! Credentials: valid, malformed, rotated and deleted keys.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_types::SdkConfig;
use quiz_bigquery::{BigQueryWarehouse, Credentials, CredentialsSource};
use quiz_domain::rows::WarehouseTable;
use quiz_events::Cause;
use quiz_pipeline::ports::{Warehouse, WarehouseError};
use quiz_stack::{Action, Gate, GateRequest, Stack, service_account_key, token_issuer};
use quiz_suites::warehouse::{Rows, Sample, write};
use serde_json::json;

use crate::common::Dataset;

fn key(token_uri: &str) -> String {
    service_account_key(token_uri).unwrap().to_string()
}

fn tokens(status: u16, answer: &serde_json::Value) -> Gate {
    token_issuer(status, answer).unwrap()
}

async fn warehouse(dataset: &Dataset, credentials: Credentials) -> BigQueryWarehouse {
    dataset.with(Stack::get().await.unwrap().bigquery_endpoint(), credentials)
}

async fn write_error(credentials: Credentials) -> WarehouseError {
    let dataset = Dataset::new().await;
    let batch = warehouse(&dataset, credentials).await.begin().unwrap();
    let session = Sample::scored("s", 0..1).stage(&*batch).await;
    let error = batch.replace(&[session]).await.remove(0).unwrap_err();
    assert_eq!(dataset.bigquery.tables().await.unwrap(), Vec::<String>::new(), "nothing is written");
    error
}

#[tokio::test]
async fn service_account_key_gets_a_token() {
    let issuer = tokens(200, &json!({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}));
    let dataset = Dataset::new().await;
    let credentials = Credentials::Json(key(issuer.url()));
    write(&warehouse(&dataset, credentials).await, &[Sample::scored("s", 0..3)]).await;
    assert_eq!(dataset.rows(WarehouseTable::QuestionResponses, "s").await.len(), 9);
    let requests = issuer.requests();
    assert_eq!(requests.len(), 1, "a valid token is kept");
    assert!(String::from_utf8_lossy(&requests[0].body).contains("assertion="));
}

#[tokio::test]
async fn application_default_credentials_are_read_from_file() {
    let issuer = tokens(200, &json!({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.json");
    std::fs::write(&file, key(issuer.url())).unwrap();
    let dataset = Dataset::new().await;
    let credentials = Credentials::ApplicationDefault { file: Some(file.clone()) };
    write(&warehouse(&dataset, credentials).await, &[Sample::scored("s", 0..3)]).await;
    assert_eq!(issuer.requests().len(), 1);
    std::fs::write(&file, r#"{"type": "impersonated_service_account"}"#).unwrap();
    let error = write_error(Credentials::ApplicationDefault { file: Some(file) }).await.to_string();
    assert!(
        error.contains("key.json is neither a service account's key, nor an authorized user's file, nor"),
        "{error}"
    );
}

#[tokio::test]
async fn unknown_key_reports_the_answer_of_google() {
    let issuer =
        tokens(400, &json!({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}));
    let error = write_error(Credentials::Json(key(issuer.url()))).await;
    assert!(matches!(error, WarehouseError::Refused { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("Google gives no access token") && text.contains("Invalid JWT Signature."),
        "{text}"
    );
    assert_eq!(issuer.requests().len(), 1, "one request");
}

#[tokio::test]
async fn malformed_key_is_refused_without_showing_it() {
    let no_pem = json!({
        "type": "service_account", "client_email": "e", "private_key": "hunter2", "token_uri": "http://localhost",
    });
    for (text, why) in [
        ("hunter2", "the secret is not JSON: store the key's file as it is (line 1, column 1)"),
        (r#""{\"private_key\": \"hunter2\"}""#, "the secret is in quotes: store the key's JSON without them"),
        (r#"{"key": "hunter2"}"#, "the secret is JSON without `private_key`"),
        (r#"{"private_key": "hunter2"}"#, "the secret is JSON that lacks fields of a service account key"),
        (no_pem.to_string().as_str(), "the private key of the service account is not an RSA key in PEM form"),
    ] {
        let error = write_error(Credentials::Json(text.to_owned())).await.to_string();
        assert!(error.contains(why) && !error.contains("hunter2"), "{error}");
    }
}

/// A key that can be rotated, with the number of its reads.
struct Rotating {
    key: Mutex<String>,
    reads: AtomicUsize,
}

#[async_trait]
impl CredentialsSource for Rotating {
    async fn credentials(&self) -> Result<Credentials, Cause> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Ok(Credentials::Json(self.key.lock().unwrap().clone()))
    }

    fn can_change(&self) -> bool {
        true
    }

    fn aws(&self) -> Option<&SdkConfig> {
        None
    }
}

/// Google with two keys: the old one gives the token `old` until it is deleted, the new one `new`.
struct Rotation {
    dataset: Dataset,
    is_deleted: Arc<AtomicBool>,
    google: Gate,
    old: Gate,
    new: Gate,
    key: Arc<Rotating>,
    warehouse: BigQueryWarehouse,
}

fn token(name: &str, expires_in: u32) -> serde_json::Value {
    json!({"access_token": name, "expires_in": expires_in, "token_type": "Bearer"})
}

fn answer(status: u16, body: &serde_json::Value) -> Action {
    Action::Reply { status, content_type: "application/json", body: body.to_string() }
}

impl Rotation {
    /// `expires_in`: the life of the old key's tokens, in seconds.
    async fn new(expires_in: u32) -> Self {
        let is_deleted = Arc::new(AtomicBool::new(false));
        let deleted = Arc::clone(&is_deleted);
        let old = Gate::start("http://127.0.0.1:1", move |_| {
            if deleted.load(Ordering::SeqCst) {
                answer(400, &json!({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}))
            } else {
                answer(200, &token("old", expires_in))
            }
        });
        let deleted = Arc::clone(&is_deleted);
        let refuse = move |request: &GateRequest| {
            let bearer = request.headers.get("authorization").and_then(|value| value.to_str().ok());
            if bearer != Some("Bearer new") && deleted.load(Ordering::SeqCst) {
                let message = "Request had invalid authentication credentials.";
                let error =
                    json!({"code": 401, "message": message, "errors": [], "status": "UNAUTHENTICATED"});
                return answer(401, &json!({"error": error}));
            }
            Action::Forward
        };
        let google = Gate::start(Stack::get().await.unwrap().bigquery_endpoint(), refuse).unwrap();
        let (old, new) = (old.unwrap(), tokens(200, &token("new", 3600)));
        let key = Arc::new(Rotating { key: Mutex::new(key(old.url())), reads: AtomicUsize::new(0) });
        let dataset = Dataset::new().await;
        let warehouse = BigQueryWarehouse::new(dataset.settings(google.url()), key.clone());
        write(&warehouse, &[Sample::scored("before", 0..3)]).await;
        Self { dataset, is_deleted, google, old, new, key, warehouse }
    }

    fn delete_old_key(&self) {
        self.is_deleted.store(true, Ordering::SeqCst);
    }

    fn rotate(&self) {
        *self.key.key.lock().unwrap() = key(self.new.url());
        self.delete_old_key();
    }

    fn reads(&self) -> usize {
        self.key.reads.load(Ordering::SeqCst)
    }

    async fn rows(&self, session_id: &str) -> usize {
        self.dataset.rows(WarehouseTable::QuestionResponses, session_id).await.len()
    }

    async fn refusal(&self) -> WarehouseError {
        let batch = self.warehouse.begin().unwrap();
        let test = Sample::scored("after", 0..3).stage(&*batch).await;
        batch.replace(&[test]).await.remove(0).unwrap_err()
    }
}

#[tokio::test]
async fn rotated_key_replaces_a_refused_token() {
    let rotation = Rotation::new(3600).await;
    rotation.rotate();
    write(&rotation.warehouse, &[Sample::scored("after", 0..3)]).await;
    write(&rotation.warehouse, &[Sample::scored("later", 0..3)]).await;
    for session in ["before", "after", "later"] {
        assert_eq!(rotation.rows(session).await, 9);
    }
    assert_eq!((rotation.reads(), rotation.new.requests().len()), (2, 1));
}

#[tokio::test]
async fn rotated_key_replaces_a_deleted_key() {
    // A token that is about to expire is not kept.
    let rotation = Rotation::new(1).await;
    rotation.rotate();
    let before = rotation.google.requests().len();
    write(&rotation.warehouse, &[Sample::scored("after", 0..3)]).await;
    assert_eq!(rotation.rows("after").await, 9);
    let refused = rotation.google.requests().split_off(before);
    assert!(refused.iter().all(|request| request.headers["authorization"] == "Bearer new"));
    assert_eq!((rotation.reads(), rotation.new.requests().len()), (2, 1));
}

#[tokio::test]
async fn unchanged_refused_key_is_read_once_more() {
    for expires_in in [1, 3600] {
        let rotation = Rotation::new(expires_in).await;
        rotation.delete_old_key();
        let before = rotation.old.requests().len();
        for _ in 0..5 {
            let error = rotation.refusal().await;
            assert!(matches!(error, WarehouseError::Refused { .. }), "{error}");
        }
        assert_eq!(rotation.reads(), 2, "one read at first, one after the first refusal");
        // A valid token is kept; without one, each batch requests another.
        let tokens = if expires_in == 1 { 5 } else { 0 };
        assert_eq!(rotation.old.requests().len() - before, tokens);
    }
}
