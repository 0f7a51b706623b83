use std::error::Error;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use quiz_domain::reports::ReportTable;
use quiz_events::with_causes;
use quiz_pipeline::ports::StoreError;
use thiserror::Error as ThisError;

/// What is wrong with a table or the way to it: the cause within a [`StoreError`].
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum DynamoError {
    /// A retry may help.
    #[error("{left} items are left, after {attempts} attempts in a row that wrote nothing: {last}")]
    GaveUp { left: usize, attempts: u32, last: String },
    /// A retry may help.
    #[error("{0}")]
    Unavailable(String),
    /// A retry under a new lease may help.
    #[error("the lease was over before all was written")]
    LeaseOver,
    /// Until it is created, no retry helps.
    #[error(
        "there is no such table in this account and region: create it, or correct its name in the configuration"
    )]
    NoTable,
    /// Until it is allowed, no retry helps.
    #[error("access is denied: allow the role {calls} on the table ({answer})")]
    Denied { calls: &'static str, answer: String },
    /// Until the table is made anew, no retry helps.
    #[error("its {keys} ({answer})")]
    OtherKeys { keys: String, answer: String },
    /// DynamoDB does not take the request; no retry helps.
    #[error("{0}")]
    Rejected(String),
}

impl DynamoError {
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::GaveUp { .. } | Self::Unavailable(_) | Self::LeaseOver)
    }

    pub(crate) fn of(self, action: &'static str, table: &str) -> StoreError {
        let (table, retryable) = (table.to_owned(), self.is_retryable());
        if self == Self::LeaseOver {
            return StoreError::LeaseOver { table };
        }
        let cause = Box::new(self);
        if retryable {
            StoreError::Unavailable { action, table, cause }
        } else {
            StoreError::Refused { action, table, cause }
        }
    }
}

/// A failed request.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Throttled, or the server or network failed.
    Transient(String),
    /// Something in the request is not valid: one of its items, as far as one can tell.
    Invalid(String),
    Permanent(DynamoError),
}

const TRANSIENT: [&str; 13] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "ThrottledException",
    "Throttling",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "LimitExceededException",
    "InternalServerError",
    "ServiceUnavailable",
    "ReplicatedWriteConflictException",
    "RequestTimeout",
    "RequestTimeoutException",
    // the SDK gets new credentials before the next attempt
    "ExpiredTokenException",
];

const DENIED: [&str; 6] = [
    "AccessDeniedException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
];

/// Parts of DynamoDB's messages that speak of the table's keys, not of an item.
const OF_KEYS: [&str; 4] =
    ["does not match the schema", "missed key schema element", "Missing the key ", "Type mismatch for key "];

/// What a table must be like, for who mends it.
pub(crate) struct Needs {
    /// Goes on after "its".
    pub keys: String,
    /// What must be allowed.
    pub calls: &'static str,
}

impl From<ReportTable> for Needs {
    fn from(table: ReportTable) -> Self {
        Self {
            keys: format!("keys must be session_id and {}, both strings", table.sort_key()),
            calls: "dynamodb:BatchWriteItem and dynamodb:Query",
        }
    }
}

/// Whether DynamoDB has decided on a request, or never saw it. After any other error, a write can still arrive: it was
/// given up, or the server failed in the middle of it.
pub(crate) fn is_answer<E>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::ServiceError(context) => context.raw().status().as_u16() < 500,
        _ => false,
    }
}

pub(crate) fn fault<E>(error: &SdkError<E, HttpResponse>, table: impl Into<Needs>) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let SdkError::ServiceError(context) = error else {
        let text = with_causes(error);
        return match error {
            SdkError::ConstructionFailure(_) => Fault::Permanent(DynamoError::Rejected(text)),
            // no answer, or not a whole one; writing the same items again changes nothing
            _ => Fault::Transient(text),
        };
    };
    let status = context.raw().status().as_u16();
    let code = context.err().code().unwrap_or_default();
    let message = context.err().message().unwrap_or_default();
    let text = match (code, message) {
        ("", _) => format!("HTTP status {status}"),
        (code, "") => code.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    if TRANSIENT.contains(&code) || status >= 500 || status == 429 {
        Fault::Transient(text)
    } else if code == "ResourceNotFoundException" {
        Fault::Permanent(DynamoError::NoTable)
    } else if DENIED.contains(&code) {
        Fault::Permanent(DynamoError::Denied { calls: table.into().calls, answer: text })
    } else if code == "ValidationException" && OF_KEYS.iter().any(|it| message.contains(it)) {
        let keys = table.into().keys;
        Fault::Permanent(DynamoError::OtherKeys { keys, answer: message.to_owned() })
    } else if code == "ValidationException" {
        Fault::Invalid(message.to_owned())
    } else {
        Fault::Permanent(DynamoError::Rejected(text))
    }
}
