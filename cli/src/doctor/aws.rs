//! Checks the region, the credentials and the clock of this machine against AWS.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aws_config::SdkConfig;
use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::{BoxError, ProvideErrorMetadata, SdkError};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use quiz_lambda::aws::{NotSignedIn, check_sign_in, error_cause};

use crate::audit::get_identity;
use crate::doctor::call_timeout::CallTimeout;
use crate::doctor::check::{Check, Finding, Group};

/// Why a call to an AWS service failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsFailure {
    /// The service's error code; `None` if no answer came.
    pub code: Option<String>,
    pub text: String,
}

impl AwsFailure {
    pub fn from_sdk<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: fmt::Debug,
    {
        Self { code: error.code().map(str::to_owned), text: error_cause(error) }
    }

    pub fn without_code(text: String) -> Self {
        Self { code: None, text }
    }

    pub fn is_denied(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        ["AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"]
            .contains(&code)
    }

    pub fn is_missing(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        ["NotFound", "NotFoundException", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"]
            .contains(&code)
    }
}

/// Checks the region, the credentials (STS `GetCallerIdentity`) and the clock.
pub async fn check(config: &SdkConfig, timeout: CallTimeout) -> Vec<Check> {
    let Some(region) = config.region() else {
        let fix = "set AWS_REGION, or a region in the profile: aws configure set region ap-south-1";
        return vec![Group::Aws.check("region", Finding::bad("no region is configured", fix))];
    };
    let region = Group::Aws.check("region", Finding::good(region.to_string()));
    let clock = Clock::default();
    let identity = async {
        let call = get_identity(config).customize().interceptor(clock.clone()).send();
        call.await.map_err(|error| AwsFailure::from_sdk(&error))
    };
    match timeout.limit(identity, AwsFailure::without_code).await {
        Ok(identity) => {
            let (account, arn) = (identity.account().unwrap_or_default(), identity.arn().unwrap_or_default());
            let credentials = Finding::good(format!("account {account}, as {arn}"));
            let clock =
                clock.offset().map_or_else(|| Finding::skipped("AWS's answer has no date"), judge_clock);
            vec![region, Group::Aws.check("credentials", credentials), Group::Aws.check("clock", clock)]
        }
        Err(failure) => {
            let finding = match check_sign_in(config).await {
                Err(NotSignedIn::NoCredentials) => {
                    Finding::bad("no AWS credentials found", "run aws sso login, or set AWS_PROFILE")
                }
                _ => judge_refusal(&failure),
            };
            vec![region, Group::Aws.check("credentials", finding)]
        }
    }
}

fn judge_refusal(failure: &AwsFailure) -> Finding {
    let fix = match failure.code.as_deref() {
        Some("ExpiredToken" | "ExpiredTokenException" | "RequestExpired") => {
            "get new credentials: aws sso login, or the source of the current ones"
        }
        Some("InvalidClientTokenId" | "SignatureDoesNotMatch" | "UnrecognizedClientException") => {
            "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN from the same key, or set AWS_PROFILE"
        }
        _ if std::env::var_os("AWS_ENDPOINT_URL").is_some_and(|url| !url.is_empty()) => {
            "check that a server answers at AWS_ENDPOINT_URL, or unset it to reach AWS itself"
        }
        _ => "set credentials (aws sso login, AWS_PROFILE, or AWS_ACCESS_KEY_ID) and check the network",
    };
    Finding::bad(format!("AWS does not accept the credentials: {}", failure.text), fix)
}

/// The largest clock offset that is still good. Beyond it, SQS's clock, which orders requests, differs from ours by more
/// than the margin of a read.
const MARGIN: SignedDuration = SignedDuration::from_secs(1);

/// `ahead`: how far AWS's clock is ahead of ours, at least; network delay cannot explain it.
fn judge_clock(ahead: SignedDuration) -> Finding {
    if ahead.abs() <= MARGIN {
        return Finding::good("this machine's clock agrees with AWS's within 1 s");
    }
    let side = if ahead.is_positive() { "behind" } else { "ahead of" };
    Finding::warning(
        format!("this machine's clock is {} s or more {side} AWS's", ahead.abs().as_secs()),
        "set the clock (timedatectl set-ntp true): ages shown are wrong, and AWS refuses requests that are 5 min off",
    )
}

/// Compares the `date` header of AWS's answer with this machine's clock.
#[derive(Clone, Debug, Default)]
struct Clock(Arc<Mutex<ClockReading>>);

#[derive(Debug, Default)]
struct ClockReading {
    sent_at: Option<Instant>,
    offset: Option<SignedDuration>,
}

impl Clock {
    fn offset(&self) -> Option<SignedDuration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).offset
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn read_before_transmit(
        &self,
        _: &aws_sdk_sts::config::interceptors::BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sent_at = Some(Instant::now());
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let date = context.response().headers().get("date").and_then(|date| rfc2822::parse(date).ok());
        let round_trip = reading.sent_at.and_then(|sent_at| SignedDuration::try_from(sent_at.elapsed()).ok());
        reading.offset = date
            .zip(round_trip)
            .map(|(date, round_trip)| least_offset(date.timestamp(), round_trip, Timestamp::now()));
        Ok(())
    }
}

/// The smallest clock offset that explains an answer with the header `date` (whole seconds, rounded down) that arrived
/// at `now`, `round_trip` after the request.
fn least_offset(date: Timestamp, round_trip: SignedDuration, now: Timestamp) -> SignedDuration {
    let (earliest, latest) = (date, date + SignedDuration::from_secs(1));
    let sent_at = now - round_trip;
    if earliest > now {
        earliest.duration_since(now)
    } else if latest < sent_at {
        latest.duration_since(sent_at)
    } else {
        SignedDuration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{AwsFailure, judge_clock, judge_refusal, least_offset};
    use crate::doctor::check::Status;

    #[test]
    fn network_delay_is_not_a_wrong_clock() {
        let date: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let offset_ms = |now: &str, round_trip_ms| {
            let round_trip = SignedDuration::from_millis(round_trip_ms);
            least_offset(date, round_trip, now.parse().unwrap()).as_millis()
        };
        assert_eq!(offset_ms("2026-01-02T03:04:05.9Z", 10), 0);
        assert_eq!(offset_ms("2026-01-02T03:04:09Z", 5_000), 0);
        assert_eq!(offset_ms("2026-01-02T03:04:09Z", 1_000), -2_000);
        assert_eq!(offset_ms("2026-01-02T03:04:01Z", 10), 4_000);
        assert_eq!(judge_clock(SignedDuration::from_millis(-900)).status, Status::Good);
        let slow = judge_clock(SignedDuration::from_secs(4));
        assert_eq!(slow.status, Status::Warning);
        assert!(slow.found.contains("4 s or more behind"), "{}", slow.found);
    }

    #[test]
    fn expired_credentials_need_a_new_login() {
        let failure = |code: &str| AwsFailure { code: Some(code.to_owned()), text: code.to_owned() };
        let fix = judge_refusal(&failure("ExpiredToken")).fix.unwrap();
        assert!(fix.contains("aws sso login"));
        assert!(failure("AccessDenied").is_denied() && !failure("AccessDenied").is_missing());
    }
}
