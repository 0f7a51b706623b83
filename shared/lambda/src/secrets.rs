//! Secrets, from the environment or from AWS Secrets Manager.

mod plain;
#[cfg(feature = "aws")]
mod read;

use std::fmt;

pub use plain::NotPlain;
#[cfg(feature = "aws")]
pub use read::SecretError;

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

impl SecretSource {
    /// Whether a later read can return another text: only a secret of Secrets Manager can change.
    #[must_use]
    pub fn can_change(&self) -> bool {
        matches!(self, Self::ById(_))
    }
}
