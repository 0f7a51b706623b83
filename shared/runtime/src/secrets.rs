//! Secrets: given by the environment, or kept by AWS Secrets Manager.

use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::error::DisplayErrorContext;
use thiserror::Error;

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
    /// # Errors
    /// [`SecretError`] where Secrets Manager does not answer with a text.
    pub async fn resolve(&self, aws: &SdkConfig) -> Result<Secret, SecretError> {
        let id = match self {
            Self::Given(secret) => return Ok(secret.clone()),
            Self::ById(id) => id,
        };
        let client = aws_sdk_secretsmanager::Client::new(aws);
        let answer = client.get_secret_value().secret_id(id).send().await.map_err(|error| {
            SecretError::Unreadable { id: id.clone(), cause: DisplayErrorContext(error).to_string() }
        })?;
        match answer.secret_string() {
            Some(text) if !text.trim().is_empty() => Ok(Secret::new(text.trim().to_owned())),
            _ => Err(SecretError::NoText { id: id.clone() }),
        }
    }
}
