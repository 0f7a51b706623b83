use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, anyhow, ensure};
use aws_lc_rs::{digest, hmac};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::{Action, Gate, GateRequest};

const AUDIENCE: &str = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/quiz-etl/providers/aws-lambda";
/// The service account that [`Federation::configuration`] names.
const ACCOUNT: &str = "etl@p.iam.gserviceaccount.com";
const BIGQUERY: &str = "https://www.googleapis.com/auth/bigquery";
const CLOUD: &str = "https://www.googleapis.com/auth/cloud-platform";
/// AWS accepts a signature for this long.
const SIGNATURE_LIFE: SignedDuration = SignedDuration::from_mins(15);

/// AWS credentials that the stub of Google accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsKey {
    pub id: String,
    pub secret: String,
    pub session_token: Option<String>,
}

/// A stub of Google's STS (`/v1/token`) and of IAM Credentials (`generateAccessToken`). It checks each request as Google
/// and AWS do, down to the signature, and refuses a wrong one with the reason.
pub struct Federation {
    gate: Gate,
    state: Arc<Mutex<State>>,
}

struct State {
    key: AwsKey,
    /// The life of issued tokens, in seconds.
    life: i64,
    /// The scope of each federated token.
    federated: HashMap<String, String>,
    /// The tokens for BigQuery.
    issued: Vec<String>,
    /// The answer to requests whose path contains the text.
    fault: Option<(&'static str, Action)>,
}

impl Federation {
    /// Accepts signatures by `key`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(key: AwsKey) -> Result<Self> {
        let (federated, issued) = (HashMap::new(), Vec::new());
        let state = Arc::new(Mutex::new(State { key, life: 3_600, federated, issued, fault: None }));
        let shared = Arc::clone(&state);
        let gate = Gate::start("http://127.0.0.1:1", move |request| lock(&shared).answer(request))?;
        Ok(Self { gate, state })
    }

    /// The configuration that `gcloud iam workload-identity-pools create-cred-config --aws` writes, with this stub's URLs.
    #[must_use]
    pub fn configuration(&self, with_service_account: bool) -> Value {
        let url = self.gate.url();
        let metadata = "http://169.254.169.254/latest/meta-data";
        let path = format!("/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken");
        json!({
            "universe_domain": "googleapis.com", "type": "external_account", "audience": AUDIENCE,
            "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
            "token_url": format!("{url}/v1/token"),
            "service_account_impersonation_url": with_service_account.then(|| format!("{url}{path}")),
            "credential_source": {
                "environment_id": "aws1",
                "region_url": format!("{metadata}/placement/availability-zone"),
                "url": format!("{metadata}/iam/security-credentials"),
                "regional_cred_verification_url":
                    "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
            },
        })
    }

    /// Accepts signatures by another key only, as after a rotation.
    pub fn rotate(&self, key: AwsKey) {
        lock(&self.state).key = key;
    }

    /// Sets the life of later tokens, in seconds.
    pub fn set_life(&self, seconds: i64) {
        lock(&self.state).life = seconds;
    }

    /// Answers requests whose path contains `path` by `action`, until the next call.
    pub fn set_fault(&self, fault: Option<(&'static str, Action)>) {
        lock(&self.state).fault = fault;
    }

    /// The number of requests to STS and to IAM Credentials.
    #[must_use]
    pub fn exchanges(&self) -> (usize, usize) {
        let requests = self.gate.requests();
        let count =
            |path: &str| requests.iter().filter(|request| request.path_and_query.contains(path)).count();
        (count("/v1/token"), count(":generateAccessToken"))
    }

    /// Whether a request to BigQuery has a token that this stub issued for BigQuery.
    pub fn admits(&self) -> impl Fn(&GateRequest) -> bool + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move |request| {
            bearer(request).is_some_and(|token| lock(&state).issued.iter().any(|issued| issued == token))
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bearer(request: &GateRequest) -> Option<&str> {
    request.headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}

fn reply(status: u16, body: &Value) -> Action {
    Action::Reply { status, content_type: "application/json", body: body.to_string() }
}

impl State {
    fn answer(&mut self, request: &GateRequest) -> Action {
        if let Some((path, action)) = &self.fault
            && request.path_and_query.contains(path)
        {
            return action.clone();
        }
        let is_sts = request.path_and_query == "/v1/token";
        let answer = if is_sts { self.federate(request) } else { self.impersonate(request) };
        match answer {
            Ok(token) => reply(200, &token),
            Err(error) if is_sts => {
                reply(400, &json!({"error": "invalid_grant", "error_description": format!("{error:#}")}))
            }
            Err(error) => {
                let error =
                    json!({"code": 403, "status": "PERMISSION_DENIED", "message": format!("{error:#}")});
                reply(403, &json!({"error": error}))
            }
        }
    }

    fn federate(&mut self, request: &GateRequest) -> Result<Value> {
        ensure!(request.method == "POST", "the method is {}", request.method);
        let form = form(&request.body)?;
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        for (name, wanted) in [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token_type", "urn:ietf:params:aws:token-type:aws4_request"),
            ("audience", AUDIENCE),
        ] {
            ensure!(field(name) == wanted, "{name} is {:?}", field(name));
        }
        let signed = percent_decode_str(field("subject_token")).decode_utf8()?;
        check_signature(&serde_json::from_str(&signed).context("subject_token is not JSON")?, &self.key)?;
        let scope = field("scope").to_owned();
        ensure!([BIGQUERY, CLOUD].contains(&&*scope), "the scope is {scope:?}");
        let token = format!("federated-{}", self.federated.len());
        if scope == BIGQUERY {
            self.issued.push(token.clone());
        }
        self.federated.insert(token.clone(), scope);
        Ok(json!({
            "access_token": token, "expires_in": self.life, "token_type": "Bearer",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }))
    }

    fn impersonate(&mut self, request: &GateRequest) -> Result<Value> {
        let path = format!("/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken");
        ensure!(request.path_and_query == path, "the path is {}", request.path_and_query);
        let scope = bearer(request).and_then(|token| self.federated.get(token));
        ensure!(scope.is_some_and(|scope| scope == CLOUD), "no federated token for IAM Credentials");
        let wanted = json!({"scope": [BIGQUERY], "lifetime": "3600s"});
        let body: Value = serde_json::from_slice(&request.body)?;
        ensure!(body == wanted, "the body is {body}");
        let token = format!("account-{}", self.issued.len());
        self.issued.push(token.clone());
        let expires = Timestamp::now() + SignedDuration::from_secs(self.life);
        Ok(json!({"accessToken": token, "expireTime": expires.to_string()}))
    }
}

/// The fields of a form, decoded once.
fn form(body: &[u8]) -> Result<HashMap<String, String>> {
    let decode = |text: &str| {
        let spaces = text.replace('+', " ");
        anyhow::Ok(percent_decode_str(&spaces).decode_utf8()?.into_owned())
    };
    let pairs = std::str::from_utf8(body)?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| Ok((decode(name)?, decode(value)?))).collect()
}

/// Checks a signed `GetCallerIdentity` as AWS does, and its target as Google does.
fn check_signature(signed: &Value, key: &AwsKey) -> Result<()> {
    let url = signed["url"].as_str().context("no url")?;
    let (host, query) = url
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once('?'))
        .map(|(host, query)| (host.trim_end_matches('/'), query))
        .context("the url is not https with a query")?;
    let is_sts = host.starts_with("sts.") && host.ends_with(".amazonaws.com");
    ensure!(is_sts && query == "Action=GetCallerIdentity&Version=2011-06-15", "the url is {url}");
    ensure!(signed["method"] == "POST" && signed["body"] == "", "not a POST without a body");
    let mut headers = HashMap::new();
    for header in signed["headers"].as_array().context("no headers")? {
        let text = |name: &str| header[name].as_str().context("a header without text");
        ensure!(
            headers.insert(text("key")?.to_lowercase(), text("value")?).is_none(),
            "a header stands twice"
        );
    }
    let header = |name: &str| headers.get(name).copied().with_context(|| format!("no header {name}"));
    ensure!(header("host")? == host, "the host is {}", header("host")?);
    ensure!(header("x-goog-cloud-target-resource")? == AUDIENCE, "the request is for another audience");
    ensure!(
        headers.get("x-amz-security-token").copied() == key.session_token.as_deref(),
        "the security token included in the request is invalid"
    );
    let date = header("x-amz-date")?;
    let time = Timestamp::strptime("%Y%m%dT%H%M%S%z", date.replace('Z', "+0000"))?;
    ensure!(time.duration_until(Timestamp::now()).abs() < SIGNATURE_LIFE, "the signature has expired");
    let part = |name: &str| {
        let parts =
            header("authorization")?.strip_prefix("AWS4-HMAC-SHA256 ").context("another algorithm")?;
        let named = parts.split(", ").find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        named.ok_or_else(|| anyhow!("no {name}"))
    };
    let (id, scope) = part("Credential")?.split_once('/').context("a credential without a scope")?;
    ensure!(id == key.id, "unknown access key");
    let [day, region, "sts", "aws4_request"] = scope.split('/').collect::<Vec<_>>()[..] else {
        return Err(anyhow!("the scope is {scope}"));
    };
    ensure!(date.starts_with(day) && host == format!("sts.{region}.amazonaws.com"), "the scope is {scope}");
    let names: Vec<&str> = part("SignedHeaders")?.split(';').collect();
    for name in headers.keys().filter(|name| *name != "authorization") {
        ensure!(names.contains(&&**name), "the header {name} is not signed");
    }
    ensure!(names.is_sorted(), "the names of the signed headers are not sorted");
    let lines =
        names.iter().map(|name| Ok(format!("{name}:{}\n", header(name)?))).collect::<Result<String>>()?;
    let canonical = format!("POST\n/\n{query}\n{lines}\n{}\n{}", names.join(";"), sha256(""));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(&canonical));
    let secret = format!("AWS4{}", key.secret).into_bytes();
    let signing = scope.split('/').fold(secret, |secret, part| hmac_sha256(&secret, part));
    ensure!(part("Signature")? == hex(&hmac_sha256(&signing, &to_sign)), "the signature does not match");
    Ok(())
}

fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sha256(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
