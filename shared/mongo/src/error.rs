use mongodb::error::{Error, ErrorKind, RETRYABLE_ERROR, TRANSIENT_TRANSACTION_ERROR};
use quiz_pipeline::ports::SourceError;
use thiserror::Error as ThisError;

/// What is wrong with MongoDB or the way to it. No text holds the URI or a part of it: a URI that was
/// written wrongly can have its password where the driver looks for a host.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum MongoError {
    /// A retry cannot help.
    #[error("the MongoDB URI cannot be used: {0}")]
    Uri(&'static str),
    /// A retry may help.
    #[error("the host names of the MongoDB URI cannot be resolved")]
    Unresolved,
    /// What the driver or the server answered, without its response. Whether a retry may help is told
    /// by the [`SourceError`] around it.
    #[error("{0}")]
    Failed(String),
    /// A retry cannot help.
    #[error("the stored document is no BSON that can be read: {0}")]
    Undecodable(String),
}

impl MongoError {
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unresolved)
    }

    /// What the driver said of a URI, in words that hold nothing of it.
    pub(crate) fn of_uri(error: &Error) -> Self {
        match &*error.kind {
            ErrorKind::DnsResolve { .. } | ErrorKind::Io(_) => Self::Unresolved,
            ErrorKind::Authentication { .. } => Self::Uri("its authentication options do not fit together"),
            ErrorKind::InvalidTlsConfig { .. } => Self::Uri("its TLS options do not fit together"),
            _ => Self::Uri(MALFORMED),
        }
    }
}

pub(crate) const MALFORMED: &str = "it must read mongodb://… or mongodb+srv://… with known options, and \
                                    special characters in user name and password percent-encoded";

/// Command errors of missing rights and wrong credentials; 8000 is Atlas's own code for those.
const UNAUTHORIZED: [i32; 3] = [13, 18, 8000];
/// How the driver and the server name a refused sign-in.
const SIGN_IN_REFUSED: [&str; 3] = ["SCRAM failure", "AuthenticationFailed", "AtlasError"];
/// Command errors that come back however often the command is sent: malformed or unknown commands.
const PERMANENT: [i32; 7] = [2, 9, 11, 14, 59, 72, 73];

/// The driver's error of reading `what`, as the port has it.
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
        // One connection was refused: the driver closes the others, and knows no server until the next heartbeat. The
        // operations that fail for that have the refusal in their text only.
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
        // network, server selection, pool, DNS, shutdown, and whatever the driver adds
        _ => false,
    }
}
