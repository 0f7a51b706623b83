//! Access tokens without a key: workload identity federation from an AWS role.
//!
//! Problem: a service account's key is a secret that lives until a person deletes it. Idea: the function already has
//! short-lived AWS credentials, and Google trusts AWS to say whose they are.
//!
//! 1. The function signs a request of the AWS call `GetCallerIdentity`, and does not send it ([`subject_token`]).
//! 2. Google's STS gets the signed request, sends it to AWS, and so learns the role. It answers with a federated token.
//! 3. If the configuration names a service account, IAM Credentials exchanges the federated token for the account's token.
//!
//! - The configuration's URLs are checked before the first request ([`configuration`]).
//! - AWS credentials rotate, so each exchange reads them anew.
//! - One exchange runs at a time. Calls that wait for it share its result, also its error.
//!
//! Protocol: <https://google.aip.dev/auth/4117>. Decision: `docs/decisions/0016-keyless.md`.

pub(crate) mod configuration;
mod refusal;
mod subject_token;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_types::SdkConfig;
use jiff::{SignedDuration, Timestamp};
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::Mutex;

use crate::credentials::SCOPE;
use crate::error::BigQueryError;
use configuration::{AWS_TOKEN, Configuration, ServiceAccount};
use refusal::Step;

/// A token is not used for new requests this long before it expires: longer than a request takes.
const MARGIN: SignedDuration = SignedDuration::from_mins(2);
/// The limit for one request to Google's STS or to IAM Credentials.
const REQUEST: Duration = Duration::from_secs(10);
/// The federated token is used for IAM Credentials only.
const IMPERSONATION_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Exchanges AWS credentials for Google's access tokens, and keeps each token until shortly before it expires.
pub(crate) struct FederatedTokens {
    configuration: Configuration,
    aws: SdkConfig,
    http: reqwest::Client,
    /// The exchanges that have ended.
    ended: AtomicU64,
    /// The result of the last exchange; held while an exchange runs.
    last: Mutex<Option<Result<AccessToken, BigQueryError>>>,
}

#[derive(Clone)]
struct AccessToken {
    text: String,
    expires: Timestamp,
}

#[derive(Deserialize)]
struct Federated {
    access_token: String,
    /// In seconds.
    expires_in: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Impersonated {
    access_token: String,
    expire_time: Timestamp,
}

impl FederatedTokens {
    pub fn new(configuration: Configuration, aws: SdkConfig, http: reqwest::Client) -> Self {
        Self { configuration, aws, http, ended: AtomicU64::new(0), last: Mutex::new(None) }
    }

    /// Names the way and the Google identity, for people.
    pub fn describe(&self) -> String {
        let provider = &self.configuration.provider;
        match &self.configuration.service_account {
            Some(account) => format!("no key: the AWS role through {provider}, as {}", account.email),
            None => format!("no key: the AWS role through {provider}, as itself"),
        }
    }

    /// The token for one request.
    pub async fn token(&self) -> Result<String, BigQueryError> {
        let ended_before = self.ended.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        match &*last {
            Some(Ok(token)) if token.is_fresh() => return Ok(token.text.clone()),
            // an exchange ended while this call waited for it
            Some(result) if self.ended.load(Ordering::SeqCst) != ended_before => {
                return result.clone().map(|token| token.text);
            }
            _ => {}
        }
        let result = self.exchange().await;
        self.ended.fetch_add(1, Ordering::SeqCst);
        last.insert(result).clone().map(|token| token.text)
    }

    async fn exchange(&self) -> Result<AccessToken, BigQueryError> {
        let subject_token = subject_token::sign(&self.aws, &self.configuration).await?;
        let federated = self.federate(&subject_token).await?;
        match &self.configuration.service_account {
            Some(account) => self.impersonate(account, &federated).await,
            None => Ok(AccessToken::expiring(federated.access_token, federated.expires_in)),
        }
    }

    async fn federate(&self, subject_token: &str) -> Result<Federated, BigQueryError> {
        let scope = match &self.configuration.service_account {
            Some(_) => IMPERSONATION_SCOPE,
            None => SCOPE,
        };
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token_type", AWS_TOKEN),
            ("audience", &self.configuration.audience),
            ("scope", scope),
            ("subject_token", subject_token),
        ];
        let request = self.http.post(self.configuration.token_url.clone()).form(&form);
        self.send(Step::Federation, request).await
    }

    async fn impersonate(
        &self,
        account: &ServiceAccount,
        federated: &Federated,
    ) -> Result<AccessToken, BigQueryError> {
        let body = json!({"scope": [SCOPE], "lifetime": format!("{}s", account.lifetime_seconds)});
        let request = self.http.post(account.url.clone()).bearer_auth(&federated.access_token).json(&body);
        let token: Impersonated = self.send(Step::Impersonation, request).await?;
        Ok(AccessToken { text: token.access_token, expires: token.expire_time })
    }

    async fn send<T: DeserializeOwned>(
        &self,
        step: Step,
        request: RequestBuilder,
    ) -> Result<T, BigQueryError> {
        let unreachable = |error| refusal::unreachable(step, error);
        let answer = request.timeout(REQUEST).send().await.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(unreachable)?;
        if !status.is_success() {
            return Err(refusal::refused(step, &self.configuration, status, &body));
        }
        serde_json::from_slice(&body).map_err(|_| refusal::unreadable(step, status))
    }
}

impl AccessToken {
    fn expiring(text: String, seconds: i64) -> Self {
        let life = SignedDuration::from_secs(seconds);
        Self { text, expires: Timestamp::now().saturating_add(life).unwrap_or(Timestamp::MAX) }
    }

    fn is_fresh(&self) -> bool {
        Timestamp::now().duration_until(self.expires) > MARGIN
    }
}
