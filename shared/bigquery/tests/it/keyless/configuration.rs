//! Credential configurations: those that are refused before anything is sent, and the usable ones.

use quiz_bigquery::{BigQueryInspector, Credentials, ErrorKind};
use serde_json::json;

use crate::keyless::Setup;

/// The error of a configuration that is changed at `pointer`.
async fn unusable(setup: &Setup, pointer: &str, value: &str) -> String {
    let mut configuration = setup.google.configuration(true);
    *configuration.pointer_mut(pointer).unwrap() = json!(value);
    *setup.source.secret.lock().unwrap() = Credentials::Json(configuration.to_string());
    let error = setup.refusal().await;
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    error.message
}

#[tokio::test]
async fn configuration_with_hostile_urls_is_refused() {
    let setup = Setup::new(true).await;
    let iam = "/v1/projects/-/serviceAccounts/a@b.c:generateAccessToken";
    let here = setup.bigquery.url();
    let verification = "/credential_source/regional_cred_verification_url";
    let hostile = [
        ("/token_url", "http://sts.googleapis.com/v1/token".to_owned()),
        ("/token_url", "https://sts.googleapis.com.evil.test/v1/token".to_owned()),
        ("/token_url", "https://evil.test/sts.googleapis.com/v1/token".to_owned()),
        ("/token_url", "https://sts.googleapis.com@evil.test/v1/token".to_owned()),
        ("/token_url", "https://evil-sts.googleapis.com/v1/token".to_owned()),
        ("/token_url", "https://sts.evil.googleapis.com/v1/token".to_owned()),
        ("/token_url", "https://storage.googleapis.com/v1/token".to_owned()),
        ("/token_url", "https://sts.googleapis.com:8443/v1/token".to_owned()),
        ("/token_url", "https://sts.googleapis.com/v1/token?to=evil".to_owned()),
        ("/token_url", "https://sts.googleapis.com/v1/oauthtoken".to_owned()),
        ("/token_url", format!("{here}/other")),
        ("/token_url", "http://10.0.0.1/v1/token".to_owned()),
        ("/token_url", "file:///etc/passwd".to_owned()),
        ("/service_account_impersonation_url", format!("https://evil.test{iam}")),
        ("/service_account_impersonation_url", format!("http://iamcredentials.googleapis.com{iam}")),
        ("/service_account_impersonation_url", "https://iamcredentials.googleapis.com/v1/token".to_owned()),
        (
            "/service_account_impersonation_url",
            format!("https://iamcredentials.googleapis.com{iam}").replace("a@", "a/b@"),
        ),
        (verification, "https://evil.test?Action=GetCallerIdentity&Version=2011-06-15".to_owned()),
        (verification, "https://sts.{region}.amazonaws.com?Action=AssumeRole&Version=2011-06-15".to_owned()),
        (
            verification,
            "https://sts.{region}.amazonaws.com.evil.test?Action=GetCallerIdentity&Version=2011-06-15"
                .to_owned(),
        ),
        (
            verification,
            "http://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15".to_owned(),
        ),
    ];
    for (pointer, url) in hostile {
        let error = unusable(&setup, pointer, &url).await;
        let field = pointer.trim_start_matches('/').replace('/', ".");
        assert!(error.contains(&format!("has a `{field}` of another server or call")), "{url}: {error}");
        assert!(!error.contains("evil"), "{error}");
    }
    assert_eq!(setup.google.exchanges(), (0, 0), "nothing is sent");
}

#[tokio::test]
async fn stub_needs_an_emulator_on_loopback() {
    let setup = Setup::new(true).await;
    let mut place = setup.dataset.settings(setup.bigquery.url()).place;
    for endpoint in [None, Some("https://bigquery.example.test".to_owned())] {
        place.endpoint = endpoint;
        let inspector = BigQueryInspector::new(place.clone(), setup.source.clone()).unwrap();
        let error = inspector.check_token().await.unwrap_err();
        assert!(error.message.contains("has a `token_url` of another server"), "{error}");
    }
    assert_eq!(setup.google.exchanges(), (0, 0));
}

#[tokio::test]
async fn configuration_for_google_is_usable() {
    let setup = Setup::new(true).await;
    let mut configuration = setup.google.configuration(true);
    let account = "/v1/projects/-/serviceAccounts/etl@p.iam.gserviceaccount.com:generateAccessToken";
    for suffix in ["", ".asia-south1.rep"] {
        configuration["token_url"] = json!(format!("https://sts{suffix}.googleapis.com/v1/token"));
        configuration["service_account_impersonation_url"] =
            json!(format!("https://iamcredentials{suffix}.googleapis.com{account}"));
        *setup.source.secret.lock().unwrap() = Credentials::Json(configuration.to_string());
        let identity = setup.inspector().identity().await.unwrap();
        assert!(identity.ends_with("as etl@p.iam.gserviceaccount.com"), "{identity}");
    }
}

#[tokio::test]
async fn incomplete_configuration_is_named_without_content() {
    let setup = Setup::new(true).await;
    let wrong_cloud = unusable(&setup, "/credential_source/environment_id", "azure1").await;
    assert!(wrong_cloud.contains("is not for AWS (`environment_id` must be \"aws1\")"), "{wrong_cloud}");
    let audience = unusable(&setup, "/audience", "//iam.googleapis.com/projects/1\nevil: 1").await;
    assert!(audience.contains("an `audience` that names no provider"), "{audience}");
    let source = unusable(&setup, "/credential_source", "hunter2").await;
    assert!(source.contains("a field has the wrong type") && !source.contains("hunter2"), "{source}");
    *setup.source.secret.lock().unwrap() = Credentials::Json(r#"{"type": "external_account"}"#.to_owned());
    let empty = setup.refusal().await.message;
    assert!(
        empty.contains("is not complete: missing field `audience`: write it again with gcloud"),
        "{empty}"
    );
}
