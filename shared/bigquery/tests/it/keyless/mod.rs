//! A credential configuration in place of a key: an AWS role gets Google's tokens.

mod configuration;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_credential_types::Credentials as AwsCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_types::SdkConfig;
use aws_types::region::Region;
use futures::future::join_all;
use quiz_bigquery::{
    BigQueryError, BigQueryInspector, BigQueryWarehouse, Credentials, CredentialsSource, ErrorKind,
};
use quiz_domain::rows::WarehouseTable;
use quiz_events::Cause;
use quiz_pipeline::ports::Warehouse;
use quiz_stack::{Action, AwsKey, Federation, Gate, GateRequest, Stack, service_account_key, token_issuer};
use quiz_suites::warehouse::{Rows, Sample, write};
use serde_json::{Value, json};

use crate::common::Dataset;

fn key(name: &str) -> AwsKey {
    let session_token = Some(format!("session+token/of=={name}"));
    AwsKey { id: format!("ASIA{name}"), secret: format!("hunter2/{name}"), session_token }
}

/// The AWS credentials of this process, which can rotate or be missing.
#[derive(Clone, Debug)]
struct Role(Arc<Mutex<Option<AwsKey>>>);

impl Role {
    fn new(key: AwsKey) -> Self {
        Self(Arc::new(Mutex::new(Some(key))))
    }

    fn rotate(&self, key: Option<AwsKey>) {
        *self.0.lock().unwrap() = key;
    }

    fn config(&self) -> SdkConfig {
        let provider = SharedCredentialsProvider::new(self.clone());
        SdkConfig::builder().credentials_provider(provider).region(Region::new("ap-south-1")).build()
    }
}

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let key = self.0.lock().unwrap().clone();
        future::ProvideCredentials::ready(match key {
            Some(AwsKey { id, secret, session_token }) => {
                Ok(AwsCredentials::new(id, secret, session_token, None, "test"))
            }
            None => Err(CredentialsError::not_loaded("the environment has none")),
        })
    }
}

/// A secret that can change, and the role that reads it.
struct Source {
    secret: Mutex<Credentials>,
    aws: SdkConfig,
}

#[async_trait]
impl CredentialsSource for Source {
    async fn credentials(&self) -> Result<Credentials, Cause> {
        Ok(self.secret.lock().unwrap().clone())
    }

    fn can_change(&self) -> bool {
        true
    }

    fn aws(&self) -> Option<&SdkConfig> {
        Some(&self.aws)
    }
}

/// Google's stub, the role, and an empty dataset behind a gate that admits only Google's tokens.
struct Setup {
    google: Federation,
    role: Role,
    source: Arc<Source>,
    dataset: Dataset,
    bigquery: Gate,
}

impl Setup {
    async fn new(with_service_account: bool) -> Self {
        let google = Federation::start(key("first")).unwrap();
        let text = google.configuration(with_service_account).to_string();
        Self::with(google, Credentials::Json(text)).await
    }

    async fn with(google: Federation, credentials: Credentials) -> Self {
        let role = Role::new(key("first"));
        let source = Arc::new(Source { secret: Mutex::new(credentials), aws: role.config() });
        let admits = google.admits();
        let endpoint = Stack::get().await.unwrap().bigquery_endpoint();
        let refuse = move |request: &GateRequest| {
            if admits(request) {
                return Action::Forward;
            }
            let error = json!({"code": 401, "message": "Request had invalid authentication credentials.", "errors": []});
            answer(401, &json!({"error": error}))
        };
        let bigquery = Gate::start(endpoint, refuse).unwrap();
        Self { google, role, source, dataset: Dataset::new().await, bigquery }
    }

    fn warehouse(&self) -> BigQueryWarehouse {
        BigQueryWarehouse::new(self.dataset.settings(self.bigquery.url()), self.source.clone())
    }

    fn inspector(&self) -> BigQueryInspector {
        let place = self.dataset.settings(self.bigquery.url()).place;
        BigQueryInspector::new(place, self.source.clone()).unwrap()
    }

    async fn rows(&self, session_id: &str) -> usize {
        self.dataset.rows(WarehouseTable::QuestionResponses, session_id).await.len()
    }

    /// The error of a token, without a retry.
    async fn refusal(&self) -> BigQueryError {
        self.inspector().check_token().await.unwrap_err()
    }
}

fn answer(status: u16, body: &Value) -> Action {
    Action::Reply { status, content_type: "application/json", body: body.to_string() }
}

fn sts_error(status: u16, code: &str, description: &str) -> Action {
    answer(status, &json!({"error": code, "error_description": description}))
}

#[tokio::test]
async fn role_writes_rows_as_the_service_account() {
    let setup = Setup::new(true).await;
    let warehouse = setup.warehouse();
    write(&warehouse, &[Sample::scored("s", 0..3)]).await;
    write(&warehouse, &[Sample::scored("t", 0..3)]).await;
    assert_eq!((setup.rows("s").await, setup.rows("t").await), (9, 9));
    assert_eq!(setup.google.exchanges(), (1, 1), "a valid token is kept");
    let identity = setup.inspector().identity().await.unwrap();
    assert_eq!(
        identity,
        "no key: the AWS role through quiz-etl/aws-lambda, as etl@p.iam.gserviceaccount.com"
    );
}

#[tokio::test]
async fn role_itself_writes_rows_without_impersonation() {
    let setup = Setup::new(false).await;
    write(&setup.warehouse(), &[Sample::scored("s", 0..3)]).await;
    assert_eq!((setup.rows("s").await, setup.google.exchanges()), (9, (1, 0)));
    let identity = setup.inspector().identity().await.unwrap();
    assert_eq!(identity, "no key: the AWS role through quiz-etl/aws-lambda, as itself");
}

#[tokio::test]
async fn concurrent_calls_share_one_exchange() {
    for with_service_account in [true, false] {
        let setup = Setup::new(with_service_account).await;
        // a token that expires within the margin is used once
        setup.google.set_life(1);
        let inspector = setup.inspector();
        for round in 1..=3 {
            let calls = join_all((0..20).map(|_| inspector.check_token())).await;
            assert!(calls.iter().all(Result::is_ok), "{calls:?}");
            let (federated, impersonated) = setup.google.exchanges();
            assert_eq!((federated, impersonated), (round, if with_service_account { round } else { 0 }));
        }
        setup.google.set_life(3_600);
        for _ in 0..3 {
            inspector.check_token().await.unwrap();
        }
        assert_eq!(setup.google.exchanges().0, 4, "a long token is kept");
    }
}

#[tokio::test]
async fn concurrent_calls_share_one_failure() {
    let setup = Setup::new(true).await;
    setup.google.set_fault(Some(("/v1/token", sts_error(503, "unavailable", "try later"))));
    let inspector = setup.inspector();
    let calls = join_all((0..20).map(|_| inspector.check_token())).await;
    assert!(calls.iter().all(Result::is_err));
    assert_eq!(setup.google.exchanges(), (1, 0));
    setup.google.set_fault(None);
    inspector.check_token().await.unwrap();
}

#[tokio::test]
async fn each_exchange_reads_the_aws_credentials_anew() {
    let setup = Setup::new(true).await;
    setup.google.set_life(1);
    let warehouse = setup.warehouse();
    write(&warehouse, &[Sample::scored("s", 0..3)]).await;
    let other = AwsKey { session_token: None, ..key("second") };
    setup.google.rotate(other.clone());
    setup.role.rotate(Some(other));
    write(&warehouse, &[Sample::scored("t", 0..3)]).await;
    assert_eq!((setup.rows("s").await, setup.rows("t").await), (9, 9));
    setup.google.rotate(key("third"));
    let error = setup.refusal().await;
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert!(error.message.contains("security token included in the request is invalid"), "{error}");
}

#[tokio::test]
async fn refusals_name_step_reason_and_next_step() {
    let setup = Setup::new(true).await;
    let denied = json!({"error": {"code": 403, "status": "PERMISSION_DENIED",
        "message": "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."}});
    let absent = json!({"error": {"code": 404, "status": "NOT_FOUND", "message": "Unknown service account"}});
    let condition = "The given credential is rejected by the attribute condition.";
    for (path, fault, message) in [
        (
            "/v1/token",
            sts_error(401, "unauthorized_client", condition),
            "Google's STS answered 401, unauthorized_client: The given credential is rejected by the attribute \
             condition.; let the attribute condition of provider quiz-etl/aws-lambda admit this AWS role",
        ),
        (
            "/v1/token",
            sts_error(400, "invalid_target", "The target service is invalid."),
            "Google's STS answered 400, invalid_target: The target service is invalid.; check that provider \
             quiz-etl/aws-lambda exists and is enabled, or write the configuration again",
        ),
        (
            "/v1/token",
            sts_error(403, "access_denied", "No."),
            "Google's STS answered 403, access_denied: No.; check provider quiz-etl/aws-lambda, and write the configuration again",
        ),
        (
            ":generateAccessToken",
            answer(403, &denied),
            "Google's IAM Credentials answered 403, PERMISSION_DENIED: Permission \
             'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).; grant \
             roles/iam.workloadIdentityUser on etl@p.iam.gserviceaccount.com to the pool of provider quiz-etl/aws-lambda, \
             and enable iamcredentials.googleapis.com",
        ),
        (
            ":generateAccessToken",
            answer(404, &absent),
            "Google's IAM Credentials answered 404, NOT_FOUND: Unknown service account; check that service account \
             etl@p.iam.gserviceaccount.com exists",
        ),
    ] {
        setup.google.set_fault(Some((path, fault)));
        let error = setup.refusal().await;
        assert_eq!((error.kind, &*error.message), (ErrorKind::Unauthorized, message));
    }
}

#[tokio::test]
async fn outages_of_google_are_retried() {
    let setup = Setup::new(true).await;
    let page =
        |status| Action::Reply { status, content_type: "text/html", body: "<html>Sign in</html>".into() };
    for (path, fault, message) in [
        (
            "/v1/token",
            sts_error(503, "unavailable", "Later."),
            "Google's STS answered 503, unavailable: Later.",
        ),
        ("/v1/token", sts_error(429, "quota", "Slower."), "Google's STS answered 429, quota: Slower."),
        (
            "/v1/token",
            page(200),
            "Google's STS answered 200 OK with a body that is not its JSON: check the proxies",
        ),
        ("/v1/token", page(403), "Google's STS answered 403 Forbidden with a body that is not its JSON"),
        ("/v1/token", answer(200, &json!({"token": "hunter2"})), "Google's STS answered 200 OK with a body"),
        ("/v1/token", Action::Cut, "cannot reach Google's STS: "),
        (":generateAccessToken", answer(500, &json!({"error": {}})), "Google's IAM Credentials answered 500"),
        (":generateAccessToken", page(502), "Google's IAM Credentials answered 502 Bad Gateway with a body"),
        (":generateAccessToken", Action::Cut, "cannot reach Google's IAM Credentials: "),
    ] {
        setup.google.set_fault(Some((path, fault)));
        let error = setup.refusal().await;
        assert_eq!(error.kind, ErrorKind::Transient, "{error}");
        assert!(error.message.starts_with(message) && !error.message.contains("hunter2"), "{error}");
        let batch = setup.warehouse().begin().unwrap();
        let session = Sample::scored("s", 0..1).stage(&*batch).await;
        assert!(batch.replace(&[session]).await.remove(0).unwrap_err().is_retryable());
    }
    setup.google.set_fault(None);
    write(&setup.warehouse(), &[Sample::scored("s", 0..3)]).await;
}

/// The clock runs ahead to the limit of a request while nothing else happens.
#[tokio::test(start_paused = true)]
async fn silent_sts_is_a_transient_error() {
    let setup = Setup::new(true).await;
    setup.google.set_fault(Some(("/v1/token", Action::Hold)));
    let error = setup.refusal().await;
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.message.starts_with("cannot reach Google's STS: "), "{error}");
}

#[tokio::test]
async fn errors_show_no_token_and_no_key() {
    let setup = Setup::new(true).await;
    let token = "x".repeat(400);
    let echo = format!("Invalid value:\n{token} is no token");
    setup.google.set_fault(Some(("/v1/token", sts_error(400, "invalid_grant", &echo))));
    let error = setup.refusal().await;
    let shown = "Google's STS answered 400, invalid_grant: Invalid value: … is no token; check the AWS account of \
                 provider quiz-etl/aws-lambda, its attribute mapping, and this machine's clock";
    assert_eq!(error.message, shown);
    setup.google.set_fault(None);
    setup.role.rotate(Some(AwsKey { secret: "hunter2".to_owned(), ..key("first") }));
    let error = setup.refusal().await;
    assert!(error.message.contains("the signature does not match"), "{error}");
    assert!(!error.message.contains("hunter2") && !error.message.contains("session+token"), "{error}");
}

#[tokio::test]
async fn missing_aws_credentials_are_named() {
    let setup = Setup::new(true).await;
    setup.role.rotate(None);
    let error = setup.refusal().await;
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(
        error.message.starts_with("cannot read the AWS credentials for Google's token exchange: "),
        "{error}"
    );
    assert!(error.message.contains("the environment has none"), "{error}");
    assert_eq!(setup.google.exchanges(), (0, 0));
    setup.role.rotate(Some(key("first")));
    setup.inspector().check_token().await.unwrap();
}

#[tokio::test]
async fn live_instance_moves_from_key_to_configuration() {
    let google = Federation::start(key("first")).unwrap();
    let configuration = google.configuration(true).to_string();
    let token = json!({"access_token": "of the deleted key", "expires_in": 3600, "token_type": "Bearer"});
    let issuer = token_issuer(200, &token).unwrap();
    let old = service_account_key(issuer.url()).unwrap().to_string();
    let setup = Setup::with(google, Credentials::Json(old)).await;
    let warehouse = setup.warehouse();
    warehouse.clone().ready().await.unwrap();
    *setup.source.secret.lock().unwrap() = Credentials::Json(configuration);
    write(&warehouse, &[Sample::scored("s", 0..3)]).await;
    assert_eq!((setup.rows("s").await, issuer.requests().len(), setup.google.exchanges()), (9, 1, (1, 1)));
}

#[tokio::test]
async fn application_default_file_can_be_a_configuration() {
    let google = Federation::start(key("first")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("configuration.json");
    std::fs::write(&file, google.configuration(true).to_string()).unwrap();
    let setup = Setup::with(google, Credentials::ApplicationDefault { file: Some(file.clone()) }).await;
    write(&setup.warehouse(), &[Sample::scored("s", 0..3)]).await;
    let identity = setup.inspector().identity().await.unwrap();
    let shown = file.display();
    assert!(
        identity.starts_with(&format!("Application Default Credentials ({shown}): no key: ")),
        "{identity}"
    );
}
