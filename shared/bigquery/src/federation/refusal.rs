//! Failures of the two exchanges: whether a retry helps, and the next step.

use reqwest::StatusCode;
use serde::Deserialize;

use crate::error::{BigQueryError, ErrorKind};
use crate::federation::configuration::Configuration;

/// A server's explanation is cut here, in characters.
const LONGEST: usize = 300;
/// Longer words may be tokens, and are not shown. A provider's resource name has some 110 characters.
const LONGEST_WORD: usize = 150;

/// The exchange that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Federation,
    Impersonation,
}

impl Step {
    const fn server(self) -> &'static str {
        match self {
            Self::Federation => "Google's STS",
            Self::Impersonation => "Google's IAM Credentials",
        }
    }
}

/// The error of STS: code and description. IAM Credentials has the error of Google's APIs.
#[derive(Deserialize)]
#[serde(untagged)]
enum Explanation {
    Sts {
        error: String,
        #[serde(default)]
        error_description: String,
    },
    Api {
        error: ApiError,
    },
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: String,
}

pub fn unreachable(step: Step, error: reqwest::Error) -> BigQueryError {
    let cause = quiz_events::with_causes(&error.without_url());
    let server = step.server();
    BigQueryError::new(ErrorKind::Transient, format!("cannot reach {server}: {cause}"))
}

/// A success without a token, or a page of a proxy.
pub fn unreadable(step: Step, status: StatusCode) -> BigQueryError {
    let server = step.server();
    let message = format!(
        "{server} answered {status} with a body that is not its JSON: check the proxies on the way to Google"
    );
    BigQueryError::new(ErrorKind::Transient, message)
}

pub fn refused(step: Step, configuration: &Configuration, status: StatusCode, body: &[u8]) -> BigQueryError {
    let (code, text) = match serde_json::from_slice(body) {
        Ok(Explanation::Sts { error, error_description }) => (error, error_description),
        Ok(Explanation::Api { error: ApiError { status, message } }) => (status, message),
        Err(_) => return unreadable(step, status),
    };
    let server = step.server();
    let explained = format!("{server} answered {}, {}: {}", status.as_u16(), shown(&code), shown(&text));
    let may_pass = status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    if may_pass {
        return BigQueryError::new(ErrorKind::Transient, explained);
    }
    let fix = fix(step, configuration, &code, status);
    BigQueryError::new(ErrorKind::Unauthorized, format!("{explained}; {fix}"))
}

fn fix(step: Step, configuration: &Configuration, code: &str, status: StatusCode) -> String {
    let provider = &configuration.provider;
    match (step, code, &configuration.service_account) {
        (Step::Federation, "unauthorized_client", _) => {
            format!("let the attribute condition of provider {provider} admit this AWS role")
        }
        (Step::Federation, "invalid_target", _) => {
            format!("check that provider {provider} exists and is enabled, or write the configuration again")
        }
        (Step::Federation, "invalid_grant", _) => {
            format!(
                "check the AWS account of provider {provider}, its attribute mapping, and this machine's clock"
            )
        }
        (Step::Impersonation, _, Some(account)) if status == StatusCode::FORBIDDEN => format!(
            "grant roles/iam.workloadIdentityUser on {} to the pool of provider {provider}, and enable iamcredentials.googleapis.com",
            account.email
        ),
        (Step::Impersonation, _, Some(account)) if status == StatusCode::NOT_FOUND => {
            format!("check that service account {} exists", account.email)
        }
        _ => format!("check provider {provider}, and write the configuration again"),
    }
}

/// Google's text without control characters and without what may be a token.
fn shown(text: &str) -> String {
    let words = text.split_whitespace().map(|word| if word.len() > LONGEST_WORD { "…" } else { word });
    let text = words.collect::<Vec<_>>().join(" ");
    text.chars().filter(|char| !char.is_control()).take(LONGEST).collect()
}
