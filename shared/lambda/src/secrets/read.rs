//! Reads secrets from AWS Secrets Manager.

use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use thiserror::Error;

use super::{Secret, SecretSource};
use crate::aws::error_cause;

/// A secret that could not be read. A later read may succeed.
#[derive(Debug, Error)]
pub enum SecretError {
    #[error("cannot read the secret {id}: {cause}")]
    Unreadable { id: String, cause: String },
    #[error("the secret {id} holds no text: store the value as plain text")]
    NoText { id: String },
}

impl SecretSource {
    /// Reads the secret.
    ///
    /// # Errors
    /// [`SecretError`] if Secrets Manager does not answer with a text.
    pub async fn resolve(&self, aws: &SdkConfig) -> Result<Secret, SecretError> {
        let id = match self {
            Self::Given(secret) => return Ok(secret.clone()),
            Self::ById(id) => id,
        };
        let client = aws_sdk_secretsmanager::Client::new(aws);
        let answer = client.get_secret_value().secret_id(id).send().await;
        let answer = answer.map_err(|error| unreadable(id, &error))?;
        match answer.secret_string() {
            Some(text) if !text.trim().is_empty() => Ok(Secret::new(text.trim().to_owned())),
            _ => Err(SecretError::NoText { id: id.clone() }),
        }
    }
}

fn unreadable<R: fmt::Debug>(id: &str, error: &SdkError<GetSecretValueError, R>) -> SecretError {
    SecretError::Unreadable { id: id.to_owned(), cause: error_cause(error) }
}

#[cfg(test)]
mod tests {
    use std::io;

    use aws_sdk_secretsmanager::error::{ErrorMetadata, SdkError};
    use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
    use aws_sdk_secretsmanager::types::error::ResourceNotFoundException;

    use super::unreadable;

    #[test]
    fn unreadable_secret_names_its_cause() {
        let text = |error: SdkError<GetSecretValueError, ()>| unreadable("quiz/uri", &error).to_string();
        let answer = |code: &str, message: &str| ErrorMetadata::builder().code(code).message(message).build();
        let missing = "Secrets Manager can't find the specified secret.";
        let meta = answer("ResourceNotFoundException", missing);
        let absent = ResourceNotFoundException::builder().message(missing).meta(meta).build();
        let absent = GetSecretValueError::ResourceNotFoundException(absent);
        assert_eq!(
            text(SdkError::service_error(absent, ())),
            "cannot read the secret quiz/uri: ResourceNotFoundException: Secrets Manager can't find the \
             specified secret."
        );
        let denied = GetSecretValueError::generic(answer("AccessDeniedException", "not authorized"));
        assert_eq!(
            text(SdkError::service_error(denied, ())),
            "cannot read the secret quiz/uri: AccessDeniedException: not authorized"
        );
        assert_eq!(
            text(SdkError::timeout_error(io::Error::other("no answer within 5 s"))),
            "cannot read the secret quiz/uri: request has timed out: no answer within 5 s"
        );
    }
}
