//! Errors of MongoDB, and how each one maps to the port's [`SourceError`].

use mongodb::error::{Error, ErrorKind, RETRYABLE_ERROR, TRANSIENT_TRANSACTION_ERROR};
use quiz_pipeline::ports::SourceError;
use thiserror::Error as ThisError;

/// An error of the MongoDB server, the connection or the URI. No text contains a part of the URI: in a malformed URI
/// the password can stand where the driver expects a host.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum MongoError {
    /// A retry cannot help.
    #[error("cannot use the MongoDB URI: {0}")]
    Uri(&'static str),
    /// A retry may help.
    #[error("cannot resolve the host names of the MongoDB URI")]
    Unresolved,
    /// The error text of the driver or the server, without its response. The surrounding [`SourceError`] says whether
    /// a retry may help.
    #[error("{0}")]
    Failed(String),
    /// A retry cannot help.
    #[error("the stored document is not valid BSON: {0}")]
    Undecodable(String),
}

impl MongoError {
    /// Whether a retry of the connection may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unresolved)
    }

    /// The driver's error about a URI, in words that contain no part of the URI.
    pub(crate) fn from_uri_error(error: &Error) -> Self {
        match &*error.kind {
            ErrorKind::DnsResolve { .. } | ErrorKind::Io(_) => Self::Unresolved,
            ErrorKind::Authentication { .. } => Self::Uri("its authentication options contradict each other"),
            ErrorKind::InvalidTlsConfig { .. } => Self::Uri("its TLS options contradict each other"),
            _ => Self::Uri(MALFORMED),
        }
    }
}

pub(crate) const MALFORMED: &str = "it must have the form mongodb://… or mongodb+srv://…, with known options, and \
                                    with special characters in user name and password percent-encoded";

/// Command error codes for missing rights and wrong credentials; 8000 is the code of Atlas.
const UNAUTHORIZED: [i32; 3] = [13, 18, 8000];
/// Texts of the driver and the server for a refused sign-in.
const SIGN_IN_REFUSED: [&str; 3] = ["SCRAM failure", "AuthenticationFailed", "AtlasError"];
/// Command error codes that no retry changes: malformed or unknown commands.
const PERMANENT: [i32; 7] = [2, 9, 11, 14, 59, 72, 73];

/// The port's error for a driver error while reading `what`.
pub(crate) fn read_error(what: String, error: &Error) -> SourceError {
    let cause = Box::new(MongoError::Failed(error.kind.to_string()));
    if error.contains_label(RETRYABLE_ERROR) || error.contains_label(TRANSIENT_TRANSACTION_ERROR) {
        SourceError::Unavailable { what, cause }
    } else if is_unauthorized(error) {
        SourceError::Unauthorized { what, cause }
    } else if is_permanent(error) {
        SourceError::Refused { what, cause }
    } else {
        SourceError::Unavailable { what, cause }
    }
}

fn is_unauthorized(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Command(command) => UNAUTHORIZED.contains(&command.code),
        ErrorKind::Authentication { .. } => true,
        // After one refused connection the driver closes the others and knows no server until the next heartbeat.
        // Operations that fail in that time have the refusal only in their text.
        ErrorKind::ConnectionPoolCleared { message, .. } | ErrorKind::ServerSelection { message, .. } => {
            SIGN_IN_REFUSED.iter().any(|text| message.contains(text))
        }
        _ => false,
    }
}

fn is_permanent(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Command(command) => PERMANENT.contains(&command.code),
        ErrorKind::Bson(_)
        | ErrorKind::IncompatibleServer { .. }
        | ErrorKind::InvalidArgument { .. }
        | ErrorKind::InvalidResponse { .. }
        | ErrorKind::InvalidTlsConfig { .. }
        | ErrorKind::SessionsNotSupported => true,
        // network, server selection, pool, DNS, shutdown, and kinds that later driver versions add
        _ => false,
    }
}
