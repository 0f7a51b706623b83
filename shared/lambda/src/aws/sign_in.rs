use aws_config::SdkConfig;
use aws_sdk_secretsmanager::config::ProvideCredentials;
use quiz_events::with_causes;
use thiserror::Error;

/// Why AWS cannot be asked anything. Each names the next step.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotSignedIn {
    #[error("no AWS region: set AWS_REGION, or AWS_PROFILE to a profile with a region")]
    NoRegion,
    #[error("no AWS credentials found: run aws sso login, or set AWS_PROFILE")]
    NoCredentials,
    #[error("cannot read the AWS credentials: {cause}; run aws sso login, or set AWS_PROFILE")]
    Unreadable { cause: String },
}

/// As [`super::config`], for a command that a person runs: what is missing is one plain error, before the first call.
///
/// # Errors
/// [`NotSignedIn`] where there is no region, or there are no credentials.
pub async fn signed_in() -> Result<SdkConfig, NotSignedIn> {
    let config = super::config().await;
    check_sign_in(&config).await?;
    Ok(config)
}

/// Looks for a region and credentials. It does not ask AWS whether they are good.
///
/// # Errors
/// [`NotSignedIn`] where one is missing.
pub async fn check_sign_in(config: &SdkConfig) -> Result<(), NotSignedIn> {
    if config.region().is_none() {
        return Err(NotSignedIn::NoRegion);
    }
    let provider = config.credentials_provider().ok_or(NotSignedIn::NoCredentials)?;
    provider.provide_credentials().await.map(|_| ()).map_err(|error| why(&with_causes(&error)))
}

/// The instance's metadata are asked last, when nothing else has given credentials. Elsewhere than on EC2 they have no
/// answer, or refuse one.
fn why(cause: &str) -> NotSignedIn {
    if cause.contains("IMDS") || cause.contains("not loaded") || cause.contains("was not enabled") {
        return NotSignedIn::NoCredentials;
    }
    NotSignedIn::Unreadable { cause: cause.to_owned() }
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_sdk_secretsmanager::config::{Credentials, SharedCredentialsProvider};

    use super::{NotSignedIn, check_sign_in, why};

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let builder = || SdkConfig::builder().behavior_version(BehaviorVersion::latest());
        let region = || Region::new("ap-south-1");
        let credentials = Credentials::new("id", "secret", None, None, "test");
        let provider = SharedCredentialsProvider::new(credentials);
        assert_eq!(check_sign_in(&builder().build()).await, Err(NotSignedIn::NoRegion));
        let nameless = builder().region(region()).build();
        assert_eq!(check_sign_in(&nameless).await, Err(NotSignedIn::NoCredentials));
        let whole = builder().region(region()).credentials_provider(provider).build();
        assert_eq!(check_sign_in(&whole).await, Ok(()));
    }

    #[test]
    fn cause_is_told_where_there_is_one() {
        let forbidden = "an error occurred while loading credentials: failed to load IMDS session token";
        assert_eq!(why(forbidden), NotSignedIn::NoCredentials);
        let expired = "an error occurred while loading credentials: the SSO token has expired";
        let told = why(expired).to_string();
        assert!(told.ends_with("the SSO token has expired; run aws sso login, or set AWS_PROFILE"), "{told}");
    }
}
