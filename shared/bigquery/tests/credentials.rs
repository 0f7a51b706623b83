//! Who asks: keys that are right, and keys that are not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::Dataset;
use quiz_bigquery::{BigQueryWarehouse, Credentials};
use quiz_domain::rows::WarehouseTable;
use quiz_pipeline::ports::{Warehouse, WarehouseError};
use quiz_stack::{Gate, Stack, service_account_key, token_issuer};
use quiz_suites::warehouse::{Rows, Sample, write};
use serde_json::json;

fn key(token_uri: &str) -> String {
    service_account_key(token_uri).unwrap().to_string()
}

fn tokens(status: u16, answer: &serde_json::Value) -> Gate {
    token_issuer(status, answer).unwrap()
}

async fn warehouse(dataset: &Dataset, credentials: Credentials) -> BigQueryWarehouse {
    dataset.with(Stack::get().await.unwrap().bigquery_endpoint(), credentials)
}

async fn error(credentials: Credentials) -> WarehouseError {
    let dataset = Dataset::new().await;
    let batch = warehouse(&dataset, credentials).await.begin().unwrap();
    let test = Sample::scored("s", 0..1).stage(&*batch).await;
    let error = batch.replace(&[test]).await.remove(0).unwrap_err();
    assert_eq!(dataset.bigquery.tables().await.unwrap(), Vec::<String>::new(), "nothing is written");
    error
}

#[tokio::test]
async fn a_service_account_s_key_gets_a_token_for_bigquery() {
    let issuer = tokens(200, &json!({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}));
    let dataset = Dataset::new().await;
    let credentials = Credentials::ServiceAccountKey(key(issuer.url()));
    write(&warehouse(&dataset, credentials).await, &[Sample::scored("s", 0..3)]).await;
    assert_eq!(dataset.rows(WarehouseTable::QuestionResponses, "s").await.len(), 9);
    let asked = issuer.requests();
    assert_eq!(asked.len(), 1, "a token is kept while it is good");
    assert!(String::from_utf8_lossy(&asked[0].body).contains("assertion="));
}

#[tokio::test]
async fn application_default_credentials_are_read_from_their_file() {
    let issuer = tokens(200, &json!({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.json");
    std::fs::write(&file, key(issuer.url())).unwrap();
    let dataset = Dataset::new().await;
    let credentials = Credentials::ApplicationDefault { file: Some(file.clone()) };
    write(&warehouse(&dataset, credentials).await, &[Sample::scored("s", 0..3)]).await;
    assert_eq!(issuer.requests().len(), 1);
    std::fs::write(&file, r#"{"type": "external_account"}"#).unwrap();
    let told = error(Credentials::ApplicationDefault { file: Some(file) }).await.to_string();
    assert!(told.contains("key.json is neither a service account's nor an authorized user's file"), "{told}");
}

#[tokio::test]
async fn a_credential_that_google_does_not_know_is_told_with_google_s_words() {
    let issuer =
        tokens(400, &json!({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}));
    let told = error(Credentials::ServiceAccountKey(key(issuer.url()))).await;
    assert!(matches!(told, WarehouseError::Refused { .. }), "{told}");
    let text = told.to_string();
    assert!(
        text.contains("Google gives no access token") && text.contains("Invalid JWT Signature."),
        "{text}"
    );
    assert_eq!(issuer.requests().len(), 1, "asked once");
}

#[tokio::test]
async fn a_key_that_is_none_is_told_and_not_shown() {
    let no_pem = json!({
        "type": "service_account", "client_email": "e", "private_key": "hunter2", "token_uri": "http://localhost",
    });
    for (text, why) in [
        ("hunter2", "the text is no service account key (line 1, column 1)"),
        (r#"{"private_key": "hunter2"}"#, "the text is no service account key"),
        (no_pem.to_string().as_str(), "the private key of the service account is no PEM of an RSA key"),
    ] {
        let told = error(Credentials::ServiceAccountKey(text.to_owned())).await.to_string();
        assert!(told.contains(why) && !told.contains("hunter2"), "{told}");
    }
}
