//! Access tokens for BigQuery's API, and the credentials behind them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use aws_types::SdkConfig;
use gcp_bigquery_client::error::BQError;
use gcp_bigquery_client::yup_oauth2::authenticator::ApplicationDefaultCredentialsTypes as Found;
use gcp_bigquery_client::yup_oauth2::{
    self as yup, ApplicationDefaultCredentialsAuthenticator, ApplicationDefaultCredentialsFlowOpts,
    AuthorizedUserAuthenticator, ServiceAccountAuthenticator, ServiceAccountKey,
};
use quiz_events::{Cause, Connector, Renewable};
use serde_json::Value;

use crate::error::{BigQueryError, ErrorKind};
use crate::federation::FederatedTokens;
use crate::federation::configuration::{self, Configuration};

pub(crate) const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";

/// The identity that calls BigQuery.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// The JSON text of a service account's key, or of the credential configuration by which an AWS role needs no key.
    Json(String),
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

    /// The AWS identity that a credential configuration exchanges for Google's tokens.
    fn aws(&self) -> Option<&SdkConfig>;
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

    fn aws(&self) -> Option<&SdkConfig> {
        None
    }
}

/// Where tokens come from, and whose they are.
struct Tokens {
    issuer: Issuer,
    /// The kind of the credentials and the identity, for people.
    identity: String,
}

enum Issuer {
    /// An emulator, which accepts any token.
    Anonymous,
    Yup(Box<yup::authenticator::DefaultAuthenticator>),
    Federation(Box<FederatedTokens>),
}

/// Gives each request its token; tokens are kept until shortly before they expire.
#[derive(Clone)]
pub(crate) struct Bearer(Arc<Renewable<TokenConnector>>);

struct TokenConnector {
    source: Arc<dyn CredentialsSource>,
    http: reqwest::Client,
    /// Whether Google's STS may be a stub on this machine.
    allows_loopback: bool,
}

#[async_trait]
impl Connector for TokenConnector {
    type Secret = Credentials;
    type Client = Tokens;
    type Error = BigQueryError;

    fn dependency(&self) -> &'static str {
        "BigQuery"
    }

    fn can_change(&self) -> bool {
        self.source.can_change()
    }

    async fn read(&self) -> Result<Credentials, BigQueryError> {
        self.source.credentials().await.map_err(|cause| {
            BigQueryError::new(ErrorKind::Transient, format!("cannot read the BigQuery credentials: {cause}"))
        })
    }

    /// An error never shows the credentials.
    async fn connect(&self, credentials: &Credentials) -> Result<Tokens, BigQueryError> {
        match credentials {
            Credentials::Json(text) => self.json(text).await,
            Credentials::ApplicationDefault { file } => self.application_default(file.as_deref()).await,
            Credentials::Anonymous => Ok(Tokens {
                issuer: Issuer::Anonymous,
                identity: "none: BIGQUERY_ENDPOINT is an emulator".to_owned(),
            }),
        }
    }

    fn is_refused(&self, error: &BigQueryError) -> bool {
        error.kind == ErrorKind::Unauthorized
    }
}

impl Bearer {
    /// `allows_loopback`: whether Google's STS may be a stub on this machine.
    pub fn new(source: Arc<dyn CredentialsSource>, http: reqwest::Client, allows_loopback: bool) -> Self {
        Self(Arc::new(Renewable::new(TokenConnector { source, http, allows_loopback })))
    }

    /// The kind of the credentials and the identity behind them, for people.
    pub async fn identity(&self) -> Result<String, BigQueryError> {
        Ok(self.0.client().await?.identity.clone())
    }

    /// The token for one request; call it within [`Bearer::run`], which renews refused credentials.
    pub async fn current(&self) -> Result<String, BigQueryError> {
        self.0.client().await?.token().await
    }

    /// Gets a token, with new credentials if Google refuses the old.
    pub async fn token(&self) -> Result<String, BigQueryError> {
        self.0.run(|tokens| async move { tokens.token().await }).await
    }

    /// Sends a request, and once more if Google refuses the credentials and there are new ones.
    pub async fn run<T, F>(&self, request: impl Fn() -> F) -> Result<T, BigQueryError>
    where
        F: Future<Output = Result<T, BigQueryError>>,
    {
        self.0.run(|_| Box::pin(request())).await
    }
}

impl Tokens {
    fn yup(tokens: yup::authenticator::DefaultAuthenticator, identity: String) -> Self {
        Self { issuer: Issuer::Yup(Box::new(tokens)), identity }
    }

    async fn token(&self) -> Result<String, BigQueryError> {
        match &self.issuer {
            Issuer::Anonymous => Ok("emulator".to_owned()),
            Issuer::Yup(tokens) => Ok(yup_token(tokens).await?),
            Issuer::Federation(tokens) => tokens.token().await,
        }
    }
}

async fn yup_token(tokens: &yup::authenticator::DefaultAuthenticator) -> Result<String, BQError> {
    let token = tokens.token(&[SCOPE]).await.map_err(BQError::YupAuthError)?;
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

pub(crate) fn unusable(why: impl std::fmt::Display) -> BigQueryError {
    BigQueryError::new(ErrorKind::Refused, format!("cannot use the BigQuery credentials: {why}"))
}

/// The type that Google's JSON of credentials names.
fn kind(json: &Value) -> Option<&str> {
    json.get("type").and_then(Value::as_str)
}

async fn service_account(text: &str) -> Result<Tokens, BigQueryError> {
    let key: ServiceAccountKey =
        serde_json::from_str(text).map_err(|error| unusable(not_a_key(text, &error)))?;
    let identity = format!("the key of service account {}", key.client_email);
    let built = ServiceAccountAuthenticator::builder(key).build().await;
    built.map(|tokens| Tokens::yup(tokens, identity)).map_err(|_| {
        unusable("the private key of the service account is not an RSA key in PEM form: store the key's file as it is")
    })
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

fn gcloud_file() -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var_os("HOME")?).join(".config/gcloud/application_default_credentials.json"))
}

impl TokenConnector {
    /// A key or a credential configuration, by its type.
    async fn json(&self, text: &str) -> Result<Tokens, BigQueryError> {
        match serde_json::from_str::<Value>(text) {
            Ok(json) if kind(&json) == Some(configuration::TYPE) => self.federation(json),
            _ => service_account(text).await,
        }
    }

    fn federation(&self, json: Value) -> Result<Tokens, BigQueryError> {
        let configuration = Configuration::read(json, self.allows_loopback)?;
        let aws = self.source.aws().cloned().ok_or_else(|| {
            unusable("a credential configuration needs AWS credentials, and there are none here")
        })?;
        let tokens = FederatedTokens::new(configuration, aws, self.http.clone());
        let identity = tokens.describe();
        Ok(Tokens { issuer: Issuer::Federation(Box::new(tokens)), identity })
    }

    async fn application_default(&self, file: Option<&Path>) -> Result<Tokens, BigQueryError> {
        let of_gcloud = || gcloud_file().filter(|file| file.is_file());
        if let Some(file) = file.map(Path::to_owned).or_else(of_gcloud) {
            let mut tokens = self.file(&file).await?;
            tokens.identity =
                format!("Application Default Credentials ({}): {}", file.display(), tokens.identity);
            return Ok(tokens);
        }
        let options = ApplicationDefaultCredentialsFlowOpts::default();
        let built = match ApplicationDefaultCredentialsAuthenticator::builder(options).await {
            Found::InstanceMetadata(builder) => builder.build().await,
            Found::ServiceAccount(builder) => builder.build().await,
        };
        let identity = "Application Default Credentials: the machine's own, of its metadata server";
        built.map(|tokens| Tokens::yup(tokens, identity.to_owned())).map_err(unusable)
    }

    async fn file(&self, file: &Path) -> Result<Tokens, BigQueryError> {
        let shown = file.display();
        let text = tokio::fs::read_to_string(file)
            .await
            .map_err(|error| unusable(format!("cannot read {shown}: {error}")))?;
        let json: Value = serde_json::from_str(&text).map_err(|_| {
            unusable(format!("{shown} is not JSON: run gcloud auth application-default login"))
        })?;
        match kind(&json) {
            Some("service_account") => service_account(&text).await,
            Some(configuration::TYPE) => self.federation(json),
            Some("authorized_user") => {
                let secret = serde_json::from_value(json).map_err(|_| {
                    unusable(format!(
                        "{shown} lacks fields of an authorized user: run gcloud auth application-default login"
                    ))
                })?;
                let built = AuthorizedUserAuthenticator::builder(secret).build().await;
                built.map(|tokens| Tokens::yup(tokens, "an authorized user".to_owned())).map_err(unusable)
            }
            _ => Err(unusable(format!(
                "{shown} is neither a service account's key, nor an authorized user's file, nor a credential configuration"
            ))),
        }
    }
}
