//! Reads a credential configuration, as `gcloud iam workload-identity-pools create-cred-config --aws` writes it.
//!
//! A configuration says to which servers the function sends signed requests and tokens, so a hostile one could collect
//! them. Only Google's STS and IAM Credentials are accepted, with the paths of their calls, and of AWS only the call
//! `GetCallerIdentity` is signed. The function never calls the configuration's other URLs (of EC2's metadata server).
//! A server on loopback is accepted only while BigQuery itself is an emulator on loopback.

use std::net::IpAddr;

use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use crate::credentials::unusable;
use crate::error::BigQueryError;

/// The type of the JSON.
pub const TYPE: &str = "external_account";
/// The type of a subject token that is a signed AWS request.
pub const AWS_TOKEN: &str = "urn:ietf:params:aws:token-type:aws4_request";

const FIX: &str = "write it again with gcloud iam workload-identity-pools create-cred-config --aws";
const VERIFICATION_URL: &str =
    "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";
const ACCOUNTS_PATH: &str = "/v1/projects/-/serviceAccounts/";
const TOKEN_METHOD: &str = ":generateAccessToken";
/// Google's default and longest life of a service account's token.
const HOUR: u32 = 3_600;

/// A configuration whose URLs are checked.
pub struct Configuration {
    pub audience: String,
    /// `POOL/PROVIDER`, for people.
    pub provider: String,
    pub token_url: Url,
    /// `None`: the role itself has the roles in Google Cloud.
    pub service_account: Option<ServiceAccount>,
    /// The URL of the AWS call, with `{region}`.
    verification_url: String,
}

/// The service account that the role acts as.
pub struct ServiceAccount {
    pub email: String,
    pub url: Url,
    /// The life of its tokens.
    pub lifetime_seconds: u32,
}

#[derive(Deserialize)]
struct Written {
    audience: String,
    subject_token_type: String,
    token_url: String,
    service_account_impersonation_url: Option<String>,
    service_account_impersonation: Option<Impersonation>,
    credential_source: Source,
}

#[derive(Deserialize)]
struct Impersonation {
    token_lifetime_seconds: Option<u32>,
}

#[derive(Deserialize)]
struct Source {
    environment_id: Option<String>,
    regional_cred_verification_url: Option<String>,
}

impl Configuration {
    /// `allows_loopback`: whether the servers may be stubs on this machine.
    pub fn read(json: Value, allows_loopback: bool) -> Result<Self, BigQueryError> {
        let written: Written = serde_json::from_value(json).map_err(|error| incomplete(&error))?;
        let environment = written.credential_source.environment_id.as_deref();
        if environment != Some("aws1") || written.subject_token_type != AWS_TOKEN {
            return Err(wrong("is not for AWS (`environment_id` must be \"aws1\")"));
        }
        let provider = provider(&written.audience)
            .ok_or_else(|| wrong("has an `audience` that names no provider of a workload identity pool"))?;
        let token_url = google_url("token_url", &written.token_url, "sts", allows_loopback)?;
        if token_url.path() != "/v1/token" {
            return Err(hostile("token_url"));
        }
        let lifetime =
            written.service_account_impersonation.and_then(|settings| settings.token_lifetime_seconds);
        let service_account = match written.service_account_impersonation_url {
            Some(url) => Some(service_account(&url, lifetime.unwrap_or(HOUR), allows_loopback)?),
            None => None,
        };
        let verification_url = written.credential_source.regional_cred_verification_url;
        let verification_url = verification_url.unwrap_or_else(|| VERIFICATION_URL.to_owned());
        let read =
            Self { audience: written.audience, provider, token_url, service_account, verification_url };
        read.verification_url("us-east-1")?;
        Ok(read)
    }

    /// The URL of the AWS call in a region.
    pub fn verification_url(&self, region: &str) -> Result<Url, BigQueryError> {
        let field = "credential_source.regional_cred_verification_url";
        let url = parse(field, &self.verification_url.replace("{region}", region))?;
        let accepted =
            format!("https://sts.{region}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15");
        if url.as_str() == accepted { Ok(url) } else { Err(hostile(field)) }
    }
}

fn wrong(problem: &str) -> BigQueryError {
    unusable(format!("the credential configuration {problem}: {FIX}"))
}

/// Names a missing field. An error about a type would show the value.
fn incomplete(error: &serde_json::Error) -> BigQueryError {
    let error = error.to_string();
    let is_missing = error.starts_with("missing field");
    wrong(&format!("is not complete: {}", if is_missing { &error } else { "a field has the wrong type" }))
}

/// The value is not shown: a person may have put a secret there.
fn hostile(field: &str) -> BigQueryError {
    wrong(&format!("has a `{field}` of another server or call than Google's libraries accept"))
}

fn parse(field: &str, text: &str) -> Result<Url, BigQueryError> {
    Url::parse(text).map_err(|_| wrong(&format!("has a `{field}` that is not a URL")))
}

/// `POOL/PROVIDER` of `//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`.
fn provider(audience: &str) -> Option<String> {
    let parts: Vec<&str> = audience.strip_prefix("//iam.googleapis.com/projects/")?.split('/').collect();
    let [_, "locations", _, "workloadIdentityPools", pool, "providers", provider] = parts[..] else {
        return None;
    };
    // the audience is a header of the signed request
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    parts.iter().all(|part| is_name(part)).then(|| format!("{pool}/{provider}"))
}

fn service_account(
    text: &str,
    lifetime_seconds: u32,
    allows_loopback: bool,
) -> Result<ServiceAccount, BigQueryError> {
    let field = "service_account_impersonation_url";
    let url = google_url(field, text, "iamcredentials", allows_loopback)?;
    let path = url.path().strip_prefix(ACCOUNTS_PATH).and_then(|path| path.strip_suffix(TOKEN_METHOD));
    let is_email =
        |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.@_".contains(&byte));
    match path.filter(|email| !email.is_empty()).filter(is_email) {
        Some(email) => Ok(ServiceAccount { email: email.to_owned(), url, lifetime_seconds }),
        None => Err(hostile(field)),
    }
}

/// A URL of one of Google's services, or on loopback.
fn google_url(field: &str, text: &str, service: &str, allows_loopback: bool) -> Result<Url, BigQueryError> {
    let url = parse(field, text)?;
    let is_stub = allows_loopback && is_loopback(&url);
    let is_server =
        is_stub || is_plain_https(&url) && is_of_google(url.host_str().unwrap_or_default(), service);
    if is_server && !url.as_str().contains(['?', '#']) { Ok(url) } else { Err(hostile(field)) }
}

/// `SERVICE.googleapis.com`, or the regional `SERVICE.REGION.rep.googleapis.com`.
fn is_of_google(host: &str, service: &str) -> bool {
    let rest = host.strip_suffix(".googleapis.com").and_then(|rest| rest.strip_prefix(service));
    let region = rest.and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".rep"));
    rest == Some("") || region.is_some_and(|region| !region.is_empty() && !region.contains('.'))
}

/// https on its own port, without a user.
fn is_plain_https(url: &Url) -> bool {
    let is_nameless = url.username().is_empty() && url.password().is_none();
    url.scheme() == "https" && url.port().is_none() && is_nameless
}

/// Whether the URL is plain http to this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    url.scheme() == "http" && is_here
}
