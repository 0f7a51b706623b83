//! The subject token of AWS: a signed request of `GetCallerIdentity` that Google sends in our name.
//!
//! The signature covers the header `x-goog-cloud-target-resource`, so the request is of no use for another pool.
//! Format: <https://google.aip.dev/auth/4117>, "Determining the subject token in AWS".

use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as sign_request};
use aws_sigv4::sign::v4;
use aws_types::SdkConfig;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::error::{BigQueryError, ErrorKind};
use crate::federation::configuration::Configuration;

const METHOD: &str = "POST";
const TARGET: &str = "x-goog-cloud-target-resource";
/// The limit for reading the AWS credentials.
const READ: Duration = Duration::from_secs(10);

/// Signs the request with the AWS credentials of this moment.
pub(crate) async fn sign(aws: &SdkConfig, configuration: &Configuration) -> Result<String, BigQueryError> {
    let region = aws.region().ok_or_else(|| {
        BigQueryError::new(ErrorKind::Refused, "no AWS region for Google's token exchange: set AWS_REGION")
    })?;
    let credentials = credentials(aws).await?;
    let signed = signed_request(credentials, region.as_ref(), configuration, SystemTime::now())?;
    // the form of the request encodes the token once more, as in Google's own libraries
    Ok(utf8_percent_encode(&signed.to_string(), NON_ALPHANUMERIC).to_string())
}

async fn credentials(aws: &SdkConfig) -> Result<Credentials, BigQueryError> {
    let fix = "run aws sso login, or set AWS_PROFILE; in Lambda, check that the function has a role";
    let provider = aws.credentials_provider().ok_or_else(|| {
        BigQueryError::new(
            ErrorKind::Refused,
            format!("no AWS credentials for Google's token exchange: {fix}"),
        )
    })?;
    let failed = |kind, cause: &dyn std::fmt::Display| {
        let action = "cannot read the AWS credentials for Google's token exchange";
        BigQueryError::new(kind, format!("{action}: {cause}; {fix}"))
    };
    match tokio::time::timeout(READ, provider.provide_credentials()).await {
        Ok(Ok(credentials)) => Ok(credentials),
        Ok(Err(error)) => {
            let is_lasting = matches!(
                error,
                CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)
            );
            let kind = if is_lasting { ErrorKind::Refused } else { ErrorKind::Transient };
            Err(failed(kind, &quiz_events::with_causes(&error)))
        }
        Err(_) => Err(failed(ErrorKind::Transient, &format!("no answer within {} s", READ.as_secs()))),
    }
}

/// The signed request as JSON.
fn signed_request(
    credentials: Credentials,
    region: &str,
    configuration: &Configuration,
    time: SystemTime,
) -> Result<Value, BigQueryError> {
    let url = configuration.verification_url(region)?;
    let host = url.host_str().unwrap_or_default();
    let own = [("host", host), (TARGET, &configuration.audience)];
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| unsigned(&error))?
        .into();
    let request = SignableRequest::new(METHOD, url.as_str(), own.into_iter(), SignableBody::empty());
    let signed = sign_request(request.map_err(|error| unsigned(&error))?, &parameters);
    let (added, _) = signed.map_err(|error| unsigned(&error))?.into_parts();
    let headers: Vec<Value> = own
        .into_iter()
        .chain(added.headers())
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect();
    Ok(json!({"url": url.as_str(), "method": METHOD, "headers": headers, "body": ""}))
}

fn unsigned(error: &(dyn Error + 'static)) -> BigQueryError {
    let cause = quiz_events::with_causes(error);
    BigQueryError::new(ErrorKind::Refused, format!("cannot sign the AWS request for Google's STS: {cause}"))
}
