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
use quiz_lambda::aws::{NotSignedIn, answer_of, check_sign_in};

use crate::doctor::check::{Check, Finding, Group};
use crate::doctor::patience::Patience;

/// Why an AWS service did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsFailure {
    /// The service's own, where it answered.
    pub code: Option<String>,
    pub text: String,
}

impl AwsFailure {
    pub fn of<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: fmt::Debug,
    {
        Self { code: error.code().map(str::to_owned), text: answer_of(error) }
    }

    pub fn silent(text: String) -> Self {
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

/// Who asks, of which AWS answers.
pub async fn check(config: &SdkConfig, patience: Patience) -> Vec<Check> {
    let Some(region) = config.region() else {
        let mend = "set AWS_REGION, or a region in the profile: aws configure set region ap-south-1";
        return vec![Group::Aws.check("region", Finding::bad("no region is configured", mend))];
    };
    let region = Group::Aws.check("region", Finding::good(region.to_string()));
    let clock = Clock::default();
    let client = aws_sdk_sts::Client::new(config);
    let asked = async {
        let call = client.get_caller_identity().customize().interceptor(clock.clone()).send();
        call.await.map_err(|error| AwsFailure::of(&error))
    };
    match patience.hold(asked, AwsFailure::silent).await {
        Ok(told) => {
            let (account, arn) = (told.account().unwrap_or_default(), told.arn().unwrap_or_default());
            let credentials = Finding::good(format!("account {account}, as {arn}"));
            let clock =
                clock.differs().map_or_else(|| Finding::skipped("AWS's answer tells no time"), judge_clock);
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
    let mend = match failure.code.as_deref() {
        Some("ExpiredToken" | "ExpiredTokenException" | "RequestExpired") => {
            "get new credentials: aws sso login, or the way that you got these"
        }
        Some("InvalidClientTokenId" | "SignatureDoesNotMatch" | "UnrecognizedClientException") => {
            "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to those of one key, or AWS_PROFILE"
        }
        _ if std::env::var_os("AWS_ENDPOINT_URL").is_some_and(|it| !it.is_empty()) => {
            "check that a server answers at AWS_ENDPOINT_URL, or unset it to reach AWS itself"
        }
        _ => "give credentials (aws sso login, AWS_PROFILE, or AWS_ACCESS_KEY_ID) and check the network",
    };
    Finding::bad(format!("AWS does not say who we are: {}", failure.text), mend)
}

/// Beyond this SQS's clock, by which requests are ordered, is no longer ours within the margin of a read.
const MARGIN: SignedDuration = SignedDuration::from_secs(1);

/// What AWS's clock is ahead of ours; at least by so much, whatever the way there and back took.
fn judge_clock(ahead: SignedDuration) -> Finding {
    if ahead.abs() <= MARGIN {
        return Finding::good("this machine's clock agrees with AWS's within 1 s");
    }
    let side = if ahead.is_positive() { "behind" } else { "ahead of" };
    Finding::warning(
        format!("this machine's clock is {} s or more {side} AWS's", ahead.abs().as_secs()),
        "set it (timedatectl set-ntp true): ages are shown wrong, and AWS refuses requests that are 5 min off",
    )
}

/// Listens to the time that AWS's answer tells.
#[derive(Clone, Debug, Default)]
struct Clock(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    asked: Option<Instant>,
    differs: Option<SignedDuration>,
}

impl Clock {
    fn differs(&self) -> Option<SignedDuration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).differs
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).asked = Some(Instant::now());
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let date = context.response().headers().get("date").and_then(|it| rfc2822::parse(it).ok());
        let way = heard.asked.and_then(|asked| SignedDuration::try_from(asked.elapsed()).ok());
        heard.differs = date.zip(way).map(|(date, way)| least(date.timestamp(), way, Timestamp::now()));
        Ok(())
    }
}

/// The least difference that explains an answer which told `date`, in whole seconds rounded down, and came
/// back at `now` after `way`.
fn least(date: Timestamp, way: SignedDuration, now: Timestamp) -> SignedDuration {
    let (earliest, latest) = (date, date + SignedDuration::from_secs(1));
    let asked = now - way;
    if earliest > now {
        earliest.duration_since(now)
    } else if latest < asked {
        latest.duration_since(asked)
    } else {
        SignedDuration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{AwsFailure, judge_clock, judge_refusal, least};
    use crate::doctor::check::Status;

    #[test]
    fn a_clock_is_wrong_only_where_nothing_else_explains_it() {
        let date: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let differs =
            |now: &str, way| least(date, SignedDuration::from_millis(way), now.parse().unwrap()).as_millis();
        assert_eq!(differs("2026-01-02T03:04:05.9Z", 10), 0);
        assert_eq!(differs("2026-01-02T03:04:09Z", 5_000), 0);
        assert_eq!(differs("2026-01-02T03:04:09Z", 1_000), -2_000);
        assert_eq!(differs("2026-01-02T03:04:01Z", 10), 4_000);
        assert_eq!(judge_clock(SignedDuration::from_millis(-900)).status, Status::Good);
        let slow = judge_clock(SignedDuration::from_secs(4));
        assert_eq!(slow.status, Status::Warning);
        assert!(slow.found.contains("4 s or more behind"), "{}", slow.found);
    }

    #[test]
    fn old_credentials_are_to_be_renewed() {
        let failure = |code: &str| AwsFailure { code: Some(code.to_owned()), text: code.to_owned() };
        let mend = judge_refusal(&failure("ExpiredToken")).mend.unwrap();
        assert!(mend.contains("aws sso login"));
        assert!(failure("AccessDenied").is_denied() && !failure("AccessDenied").is_missing());
    }
}
