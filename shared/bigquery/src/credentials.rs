use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use gcp_bigquery_client::auth::Authenticator;
use gcp_bigquery_client::error::BQError;
use gcp_bigquery_client::yup_oauth2::authenticator::ApplicationDefaultCredentialsTypes as Found;
use gcp_bigquery_client::yup_oauth2::{
    self as yup, ApplicationDefaultCredentialsAuthenticator, ApplicationDefaultCredentialsFlowOpts,
    AuthorizedUserAuthenticator, ServiceAccountAuthenticator, ServiceAccountKey,
};
use quiz_pipeline::ports::Cause;

use crate::error::{BigQueryError, ErrorKind};

const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";

/// Who asks.
#[derive(Clone)]
pub enum Credentials {
    /// The JSON text of a service account's key.
    ServiceAccountKey(String),
    /// Google's Application Default Credentials: this file, or the one that `gcloud` leaves, or the
    /// machine's metadata server.
    ApplicationDefault { file: Option<PathBuf> },
    /// No one: an emulator.
    Nobody,
}

/// Where the credentials come from. Asked when BigQuery is first used, and again after it failed: one that fails then
/// fails the messages that need it, with its cause.
#[async_trait]
pub trait CredentialsSource: Send + Sync {
    async fn credentials(&self) -> Result<Credentials, Cause>;
}

/// Those that are at hand.
#[async_trait]
impl CredentialsSource for Credentials {
    async fn credentials(&self) -> Result<Credentials, Cause> {
        Ok(self.clone())
    }
}

type Tokens = yup::authenticator::DefaultAuthenticator;

/// Gives each request its token; tokens are kept until shortly before they expire.
#[derive(Clone)]
pub(crate) struct Bearer(Option<Tokens>);

#[async_trait]
impl Authenticator for Bearer {
    async fn access_token(&self) -> Result<String, BQError> {
        let Some(tokens) = &self.0 else { return Ok("nobody".to_owned()) };
        let token = tokens.token(&[SCOPE]).await?;
        token.token().map(str::to_owned).ok_or(BQError::NoToken)
    }
}

impl Bearer {
    /// # Errors
    /// Where the credentials are none. What they hold is never told.
    pub async fn of(credentials: Credentials) -> Result<Arc<Self>, BigQueryError> {
        let tokens = match credentials {
            Credentials::ServiceAccountKey(text) => Some(service_account(&text).await?),
            Credentials::ApplicationDefault { file } => Some(application_default(file).await?),
            Credentials::Nobody => None,
        };
        Ok(Arc::new(Self(tokens)))
    }

    /// A token, or why there is none.
    pub async fn token(&self) -> Result<String, BigQueryError> {
        Ok(self.access_token().await?)
    }
}

pub(crate) fn no_token(error: &yup::Error) -> BigQueryError {
    let kind = match error {
        yup::Error::HttpError(_) | yup::Error::HttpClientError(_) => ErrorKind::Transient,
        _ => ErrorKind::Refused,
    };
    BigQueryError::new(kind, format!("Google gives no access token for the credentials: {error}"))
}

fn unusable(why: impl std::fmt::Display) -> BigQueryError {
    BigQueryError::new(ErrorKind::Refused, format!("the BigQuery credentials cannot be used: {why}"))
}

async fn service_account(text: &str) -> Result<Tokens, BigQueryError> {
    let key: ServiceAccountKey = serde_json::from_str(text).map_err(|error| {
        unusable(format!(
            "the text is no service account key (line {}, column {})",
            error.line(),
            error.column()
        ))
    })?;
    ServiceAccountAuthenticator::builder(key)
        .build()
        .await
        .map_err(|_| unusable("the private key of the service account is no PEM of an RSA key"))
}

async fn application_default(file: Option<PathBuf>) -> Result<Tokens, BigQueryError> {
    if let Some(file) = file {
        return from_file(&file).await;
    }
    if let Some(file) = gcloud_file().filter(|file| file.is_file()) {
        return from_file(&file).await;
    }
    let options = ApplicationDefaultCredentialsFlowOpts::default();
    let built = match ApplicationDefaultCredentialsAuthenticator::builder(options).await {
        Found::InstanceMetadata(builder) => builder.build().await,
        Found::ServiceAccount(builder) => builder.build().await,
    };
    built.map_err(unusable)
}

fn gcloud_file() -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var_os("HOME")?).join(".config/gcloud/application_default_credentials.json"))
}

async fn from_file(file: &Path) -> Result<Tokens, BigQueryError> {
    let shown = file.display();
    let text = tokio::fs::read_to_string(file)
        .await
        .map_err(|error| unusable(format!("{shown} cannot be read: {error}")))?;
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|_| unusable(format!("{shown} is no JSON")))?;
    match json.get("type").and_then(serde_json::Value::as_str) {
        Some("service_account") => service_account(&text).await,
        Some("authorized_user") => {
            let secret = serde_json::from_value(json)
                .map_err(|_| unusable(format!("{shown} is no authorized user's file")))?;
            AuthorizedUserAuthenticator::builder(secret).build().await.map_err(unusable)
        }
        _ => Err(unusable(format!("{shown} is neither a service account's nor an authorized user's file"))),
    }
}
