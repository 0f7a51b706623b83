use aws_config::SdkConfig;
use aws_sdk_secretsmanager::config::ProvideCredentials;
use quiz_events::with_causes;
use thiserror::Error;

/// Why AWS cannot be called. Each error names the next step.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotSignedIn {
    #[error("no AWS region: set AWS_REGION, or AWS_PROFILE to a profile with a region")]
    NoRegion,
    #[error("no AWS credentials found: run aws sso login, or set AWS_PROFILE")]
    NoCredentials,
    #[error("cannot read the AWS credentials: {cause}; run aws sso login, or set AWS_PROFILE")]
    Unreadable { cause: String },
}

/// Like [`super::config`], for commands that people run: checks region and credentials before the first call.
///
/// # Errors
/// [`NotSignedIn`] if the region or the credentials are missing.
pub async fn signed_in() -> Result<SdkConfig, NotSignedIn> {
    let config = super::config().await;
    check_sign_in(&config).await?;
    Ok(config)
}

/// Checks that there are a region and credentials. It does not call AWS, so it does not check that AWS accepts them.
///
/// # Errors
/// [`NotSignedIn`] if one is missing.
pub async fn check_sign_in(config: &SdkConfig) -> Result<(), NotSignedIn> {
    if config.region().is_none() {
        return Err(NotSignedIn::NoRegion);
    }
    let provider = config.credentials_provider().ok_or(NotSignedIn::NoCredentials)?;
    provider.provide_credentials().await.map(|_| ()).map_err(|error| sign_in_error(&with_causes(&error)))
}

/// Translates the cause of missing credentials. The SDK queries the instance metadata last, if no other provider had
/// credentials; outside of EC2 that query fails.
fn sign_in_error(cause: &str) -> NotSignedIn {
    if cause.contains("IMDS") || cause.contains("not loaded") || cause.contains("was not enabled") {
        return NotSignedIn::NoCredentials;
    }
    NotSignedIn::Unreadable { cause: cause.to_owned() }
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_sdk_secretsmanager::config::{Credentials, SharedCredentialsProvider};

    use super::{NotSignedIn, check_sign_in, sign_in_error};

    #[tokio::test]
    async fn missing_region_or_credentials_are_named() {
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
    fn error_contains_a_known_cause() {
        let forbidden = "an error occurred while loading credentials: failed to load IMDS session token";
        assert_eq!(sign_in_error(forbidden), NotSignedIn::NoCredentials);
        let expired = "an error occurred while loading credentials: the SSO token has expired";
        let message = sign_in_error(expired).to_string();
        assert!(
            message.ends_with("the SSO token has expired; run aws sso login, or set AWS_PROFILE"),
            "{message}"
        );
    }
}
