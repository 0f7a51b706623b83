//! Errors of DynamoDB: which of them a retry may fix, which concern one item, and which need a person.

use std::error::Error;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use quiz_domain::reports::ReportTable;
use quiz_events::with_causes;
use quiz_pipeline::ports::StoreError;
use thiserror::Error as ThisError;

/// An error of a table or of the connection to DynamoDB: the cause in a [`StoreError`].
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum DynamoError {
    /// A retry may help.
    #[error("{left} items are not written, after {attempts} attempts in a row without progress: {last}")]
    GaveUp { left: usize, attempts: u32, last: String },
    /// A retry may help.
    #[error("{0}")]
    Unavailable(String),
    /// A retry under a new lease may help.
    #[error("the lease ended before all items were written")]
    LeaseOver,
    /// No retry helps until the table exists.
    #[error(
        "there is no such table in this account and region: create it, or correct its name in the configuration"
    )]
    NoTable,
    /// No retry helps until a policy allows the calls.
    #[error("access is denied: allow the role {calls} on the table ({answer})")]
    Denied { calls: &'static str, answer: String },
    /// No retry helps until the table has these keys; DynamoDB can only create it again.
    #[error("its {keys} ({answer})")]
    WrongKeys { keys: String, answer: String },
    /// DynamoDB rejects the request; no retry helps.
    #[error("{0}")]
    Rejected(String),
}

impl DynamoError {
    /// Whether a retry may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::GaveUp { .. } | Self::Unavailable(_) | Self::LeaseOver)
    }

    /// The port's error for this failure of `action` on `table`.
    pub(crate) fn into_store_error(self, action: &'static str, table: &str) -> StoreError {
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
    /// DynamoDB throttles, or the server or network failed; a retry may help.
    Transient(String),
    /// DynamoDB finds the request invalid, probably because of one of its items.
    Invalid(String),
    /// No retry helps.
    Permanent(DynamoError),
}

impl Fault {
    /// The error of a request that only the SDK retries.
    pub fn into_error(self) -> DynamoError {
        match self {
            Self::Transient(text) => DynamoError::Unavailable(text),
            Self::Invalid(text) => DynamoError::Rejected(text),
            Self::Permanent(error) => error,
        }
    }
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

/// Parts of DynamoDB's messages about wrong keys of the table. Other validation messages concern an item.
const KEY_MESSAGES: [&str; 4] =
    ["does not match the schema", "missed key schema element", "Missing the key ", "Type mismatch for key "];

/// The keys and permissions that a table needs, in words for error messages.
pub(crate) struct TableRequirements {
    /// Continues a sentence after "its".
    pub keys: String,
    /// The IAM actions that the role needs.
    pub calls: &'static str,
}

impl From<ReportTable> for TableRequirements {
    fn from(table: ReportTable) -> Self {
        Self {
            keys: format!("keys must be session_id and {}, both strings", table.sort_key()),
            calls: "dynamodb:BatchWriteItem and dynamodb:Query",
        }
    }
}

/// Whether the request cannot be applied later: DynamoDB answered it, or never received it. After each other error
/// (timeout, broken connection, status 5xx) a write may still be applied.
pub(crate) fn is_final<E>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::ServiceError(context) => context.raw().status().as_u16() < 500,
        _ => false,
    }
}

/// Classifies a failed request. `table` supplies the words about keys and permissions.
pub(crate) fn classify<E>(error: &SdkError<E, HttpResponse>, table: impl Into<TableRequirements>) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let SdkError::ServiceError(context) = error else {
        let text = with_causes(error);
        return match error {
            SdkError::ConstructionFailure(_) => Fault::Permanent(DynamoError::Rejected(text)),
            // The answer is missing or incomplete. A retry is safe: writing the same items again changes nothing.
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
    } else if code == "ValidationException" && KEY_MESSAGES.iter().any(|part| message.contains(part)) {
        let keys = table.into().keys;
        Fault::Permanent(DynamoError::WrongKeys { keys, answer: message.to_owned() })
    } else if code == "ValidationException" {
        Fault::Invalid(message.to_owned())
    } else {
        Fault::Permanent(DynamoError::Rejected(text))
    }
}
