//! Access tokens for BigQuery's API, and the credentials behind them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use gcp_bigquery_client::error::BQError;
use gcp_bigquery_client::yup_oauth2::authenticator::ApplicationDefaultCredentialsTypes as Found;
use gcp_bigquery_client::yup_oauth2::{
    self as yup, ApplicationDefaultCredentialsAuthenticator, ApplicationDefaultCredentialsFlowOpts,
    AuthorizedUserAuthenticator, ServiceAccountAuthenticator, ServiceAccountKey,
};
use quiz_events::{Cause, Connector, Renewable};

use crate::error::{BigQueryError, ErrorKind};

const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";

/// The identity that calls BigQuery.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// The JSON text of a service account's key.
    ServiceAccountKey(String),
    /// Google's Application Default Credentials: this file, the file that `gcloud` writes, or the machine's metadata
    /// server.
    ApplicationDefault { file: Option<PathBuf> },
    /// No identity, for an emulator.
    Anonymous,
}

/// The source of the credentials.
///
/// They are read at the first use of BigQuery, and again after a failed read or a refusal by Google ([`Renewable`]). A
/// failed read fails only the messages that need it, with its cause.
#[async_trait]
pub trait CredentialsSource: Send + Sync {
    /// Reads the credentials.
    async fn credentials(&self) -> Result<Credentials, Cause>;

    /// Whether a later read can give other credentials.
    fn can_change(&self) -> bool;
}

/// Fixed credentials.
#[async_trait]
impl CredentialsSource for Credentials {
    async fn credentials(&self) -> Result<Credentials, Cause> {
        Ok(self.clone())
    }

    fn can_change(&self) -> bool {
        false
    }
}

/// `None` for an emulator.
type Tokens = Option<yup::authenticator::DefaultAuthenticator>;

/// Gives each request its token; tokens are kept until shortly before they expire.
#[derive(Clone)]
pub(crate) struct Bearer(Arc<Renewable<TokenConnector>>);

struct TokenConnector(Arc<dyn CredentialsSource>);

#[async_trait]
impl Connector for TokenConnector {
    type Secret = Credentials;
    type Client = Tokens;
    type Error = BigQueryError;

    fn dependency(&self) -> &'static str {
        "BigQuery"
    }

    fn can_change(&self) -> bool {
        self.0.can_change()
    }

    async fn read(&self) -> Result<Credentials, BigQueryError> {
        self.0.credentials().await.map_err(|cause| {
            BigQueryError::new(ErrorKind::Transient, format!("cannot read the BigQuery credentials: {cause}"))
        })
    }

    /// An error never shows the credentials.
    async fn connect(&self, credentials: &Credentials) -> Result<Tokens, BigQueryError> {
        match credentials {
            Credentials::ServiceAccountKey(text) => service_account(text).await,
            Credentials::ApplicationDefault { file } => application_default(file.as_deref()).await,
            Credentials::Anonymous => Ok(None),
        }
    }

    fn is_refused(&self, error: &BigQueryError) -> bool {
        error.kind == ErrorKind::Unauthorized
    }
}

impl Bearer {
    pub fn new(source: Arc<dyn CredentialsSource>) -> Self {
        Self(Arc::new(Renewable::new(TokenConnector(source))))
    }

    /// The token for one request; call it within [`Bearer::run`], which renews refused credentials.
    pub async fn current(&self) -> Result<String, BigQueryError> {
        Ok(access_token(&*self.0.client().await?).await?)
    }

    /// Gets a token, with new credentials if Google refuses the old.
    pub async fn token(&self) -> Result<String, BigQueryError> {
        self.0.run(|tokens| async move { Ok(access_token(&tokens).await?) }).await
    }

    /// Sends a request, and once more if Google refuses the credentials and there are new ones.
    pub async fn run<T, F>(&self, request: impl Fn() -> F) -> Result<T, BigQueryError>
    where
        F: Future<Output = Result<T, BigQueryError>>,
    {
        self.0.run(|_| Box::pin(request())).await
    }
}

async fn access_token(tokens: &Tokens) -> Result<String, BQError> {
    let Some(tokens) = tokens else { return Ok("emulator".to_owned()) };
    let token = tokens.token(&[SCOPE]).await?;
    token.token().map(str::to_owned).ok_or(BQError::NoToken)
}

pub(crate) fn no_token(error: &yup::Error) -> BigQueryError {
    let kind = match error {
        yup::Error::HttpError(_) | yup::Error::HttpClientError(_) => ErrorKind::Transient,
        yup::Error::AuthError(_) => ErrorKind::Unauthorized,
        _ => ErrorKind::Refused,
    };
    BigQueryError::new(
        kind,
        format!("Google gives no access token for the credentials: {error}; check the secret"),
    )
}

fn unusable(why: impl std::fmt::Display) -> BigQueryError {
    BigQueryError::new(ErrorKind::Refused, format!("cannot use the BigQuery credentials: {why}"))
}

async fn service_account(text: &str) -> Result<Tokens, BigQueryError> {
    let key: ServiceAccountKey =
        serde_json::from_str(text).map_err(|error| unusable(not_a_key(text, &error)))?;
    ServiceAccountAuthenticator::builder(key)
        .build()
        .await
        .map(Some)
        .map_err(|_| unusable("the private key of the service account is not an RSA key in PEM form: store the key's file as it is"))
}

/// Describes a text that is not a key, without showing its content.
fn not_a_key(text: &str, error: &serde_json::Error) -> String {
    let looks = match serde_json::from_str(text) {
        Ok(serde_json::Value::String(_)) => "in quotes: store the key's JSON without them",
        Ok(serde_json::Value::Object(fields)) if !fields.contains_key("private_key") => {
            "JSON without `private_key`: store the key's file as it is, not as the value of a name"
        }
        Ok(_) => "JSON that lacks fields of a service account key: store the key's file as it is",
        Err(_) => "not JSON: store the key's file as it is",
    };
    format!("the secret is {looks} (line {}, column {})", error.line(), error.column())
}

async fn application_default(file: Option<&Path>) -> Result<Tokens, BigQueryError> {
    if let Some(file) = file {
        return from_file(file).await;
    }
    if let Some(file) = gcloud_file().filter(|file| file.is_file()) {
        return from_file(&file).await;
    }
    let options = ApplicationDefaultCredentialsFlowOpts::default();
    let built = match ApplicationDefaultCredentialsAuthenticator::builder(options).await {
        Found::InstanceMetadata(builder) => builder.build().await,
        Found::ServiceAccount(builder) => builder.build().await,
    };
    built.map(Some).map_err(unusable)
}

fn gcloud_file() -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var_os("HOME")?).join(".config/gcloud/application_default_credentials.json"))
}

async fn from_file(file: &Path) -> Result<Tokens, BigQueryError> {
    let shown = file.display();
    let text = tokio::fs::read_to_string(file)
        .await
        .map_err(|error| unusable(format!("cannot read {shown}: {error}")))?;
    let json: serde_json::Value = serde_json::from_str(&text)
        .map_err(|_| unusable(format!("{shown} is not JSON: run gcloud auth application-default login")))?;
    match json.get("type").and_then(serde_json::Value::as_str) {
        Some("service_account") => service_account(&text).await,
        Some("authorized_user") => {
            let secret = serde_json::from_value(json).map_err(|_| {
                unusable(format!(
                    "{shown} lacks fields of an authorized user: run gcloud auth application-default login"
                ))
            })?;
            AuthorizedUserAuthenticator::builder(secret).build().await.map(Some).map_err(unusable)
        }
        _ => Err(unusable(format!("{shown} is neither a service account's nor an authorized user's file"))),
    }
}
