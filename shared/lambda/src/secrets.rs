//! Secrets: given by the environment, or kept by AWS Secrets Manager.

mod plain;

use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use thiserror::Error;

use crate::aws::answer_of;

pub use plain::NotPlain;

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    Given(Secret),
    /// The name or ARN of a secret of Secrets Manager, whose text is the secret itself.
    ById(String),
}

/// A secret that could not be had. Starting again may help.
#[derive(Debug, Error)]
pub enum SecretError {
    #[error("the secret {id} could not be read: {cause}")]
    Unreadable { id: String, cause: String },
    #[error("the secret {id} holds no text")]
    NoText { id: String },
}

impl SecretSource {
    /// Whether a later read can give another text: not where the environment gives it.
    #[must_use]
    pub fn can_change(&self) -> bool {
        matches!(self, Self::ById(_))
    }

    /// # Errors
    /// [`SecretError`] where Secrets Manager does not answer with a text.
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
    SecretError::Unreadable { id: id.to_owned(), cause: answer_of(error) }
}

#[cfg(test)]
mod tests {
    use std::io;

    use aws_sdk_secretsmanager::error::{ErrorMetadata, SdkError};
    use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
    use aws_sdk_secretsmanager::types::error::ResourceNotFoundException;

    use super::unreadable;

    #[test]
    fn why_a_secret_cannot_be_read_is_one_plain_sentence() {
        let text = |error: SdkError<GetSecretValueError, ()>| unreadable("quiz/uri", &error).to_string();
        let answer = |code: &str, message: &str| ErrorMetadata::builder().code(code).message(message).build();
        let missing = "Secrets Manager can't find the specified secret.";
        let meta = answer("ResourceNotFoundException", missing);
        let absent = ResourceNotFoundException::builder().message(missing).meta(meta).build();
        let absent = GetSecretValueError::ResourceNotFoundException(absent);
        assert_eq!(
            text(SdkError::service_error(absent, ())),
            "the secret quiz/uri could not be read: ResourceNotFoundException: Secrets Manager can't find the \
             specified secret."
        );
        let denied = GetSecretValueError::generic(answer("AccessDeniedException", "not authorized"));
        assert_eq!(
            text(SdkError::service_error(denied, ())),
            "the secret quiz/uri could not be read: AccessDeniedException: not authorized"
        );
        assert_eq!(
            text(SdkError::timeout_error(io::Error::other("no answer within 5 s"))),
            "the secret quiz/uri could not be read: request has timed out: no answer within 5 s"
        );
    }
}
