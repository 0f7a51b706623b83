//! Checks that the secrets can be read, without showing them.

use aws_config::SdkConfig;
use quiz_lambda::{Secret, SecretError, SecretSource};

use crate::doctor::call_timeout::CallTimeout;
use crate::doctor::check::{Check, Finding, Group};

/// The result of reading a secret.
pub enum SecretLookup {
    Read(Secret),
    /// Why it was not read; completes a sentence after "because".
    Failed(String),
}

/// Reads a secret and checks that it holds text. A secret that the environment gives directly needs no check.
/// `variable`: the environment variable with the id of the secret. `aws`: `None` if AWS is not available.
pub async fn read(
    variable: &str,
    source: &SecretSource,
    aws: Option<&SdkConfig>,
    timeout: CallTimeout,
) -> (Option<Check>, SecretLookup) {
    let id = match source {
        SecretSource::Given(secret) => return (None, SecretLookup::Read(secret.clone())),
        SecretSource::ById(id) => id,
    };
    let failed = |finding| {
        let because = format!("the secret of {variable} is not readable");
        (Some(Group::Secrets.check(variable, finding)), SecretLookup::Failed(because))
    };
    if !is_id(id) {
        return failed(Finding::bad(
            "not the id of a secret; its value is not shown, because it may be the secret itself",
            format!(
                "store the value in Secrets Manager, and set {variable} to its name: aws secretsmanager create-secret \
                 --name NAME --secret-string file://FILE"
            ),
        ));
    }
    let Some(aws) = aws else { return failed(Finding::skipped("AWS is not available")) };
    let no_answer = |cause: String| SecretError::Unreadable { id: id.clone(), cause };
    match timeout.limit(source.resolve(aws), no_answer).await {
        Ok(secret) => {
            let finding = Finding::good(format!("{id} is readable"));
            (Some(Group::Secrets.check(variable, finding)), SecretLookup::Read(secret))
        }
        Err(error) => failed(judge(id, &error)),
    }
}

/// Whether the text looks like the name or ARN of a secret, not like a URL, a key or a Discord token.
fn is_id(text: &str) -> bool {
    let name = if text.starts_with("arn:") { text.replace(':', "") } else { text.to_owned() };
    let is_token = text.split('.').count() == 3 && text.len() > 50;
    !is_token
        && name.chars().all(|character| character.is_ascii_alphanumeric() || "/_+=.@-!".contains(character))
}

fn judge(id: &str, error: &SecretError) -> Finding {
    match error {
        SecretError::NoText { .. } => Finding::bad(
            format!("{id} has no text"),
            format!("aws secretsmanager put-secret-value --secret-id {id} --secret-string file://FILE"),
        ),
        SecretError::Unreadable { cause, .. } if cause.contains("ResourceNotFoundException") => Finding::bad(
            format!("this account and region have no secret {id}"),
            format!(
                "correct the id, or create the secret: aws secretsmanager create-secret --name {id} --secret-string file://FILE"
            ),
        ),
        SecretError::Unreadable { cause, .. } if cause.contains("AccessDenied") => Finding::bad(
            format!("{id} is not readable: access denied"),
            format!("grant yourself secretsmanager:GetSecretValue on {id}, and kms:Decrypt on its key"),
        ),
        SecretError::Unreadable { cause, .. } => Finding::bad(
            format!("{id} is not readable: {cause}"),
            "check the network and AWS_ENDPOINT_URL, then run this again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use quiz_lambda::{Secret, SecretError, SecretSource};

    use super::{SecretLookup, is_id, judge, read};
    use crate::doctor::call_timeout::CallTimeout;
    use crate::doctor::check::Status;

    const TIMEOUT: CallTimeout = CallTimeout(std::time::Duration::from_secs(1));

    #[test]
    fn missing_secret_comes_with_its_command() {
        let unreadable =
            |cause: &str| judge("key", &SecretError::Unreadable { id: "key".into(), cause: cause.into() });
        let absent =
            unreadable("ResourceNotFoundException: Secrets Manager can't find the specified secret.");
        assert_eq!(absent.found, "this account and region have no secret key");
        assert!(absent.fix.unwrap().contains("create-secret --name key "));
        let denied = unreadable("AccessDeniedException: not authorized to perform GetSecretValue");
        assert!(denied.fix.unwrap().contains("secretsmanager:GetSecretValue on key"));
        let unreachable = unreadable("dispatch failure: refused");
        assert_eq!(unreachable.found, "key is not readable: dispatch failure: refused");
        let empty = judge("key", &SecretError::NoText { id: "key".into() });
        assert!(empty.fix.unwrap().contains("put-secret-value --secret-id key "));
    }

    #[tokio::test]
    async fn given_secret_needs_no_aws() {
        let source = SecretSource::Given(Secret::new("hunter2".into()));
        let (check, found) = read("URI", &source, None, TIMEOUT).await;
        assert!(check.is_none() && matches!(found, SecretLookup::Read(_)));
    }

    #[tokio::test]
    async fn secret_in_place_of_its_id_stays_hidden() {
        for id in
            ["quiz/mongodb-uri", "arn:aws:secretsmanager:ap-south-1:111122223333:secret:quiz/uri-AbCdEf"]
        {
            assert!(is_id(id), "{id}");
        }
        let token = format!("{}.hunter.{}", "a".repeat(26), "b".repeat(38));
        for secret in ["mongodb://user:hunter2@host", r#"{"private_key": "hunter2"}"#, &token] {
            let (check, found) = read("VARIABLE", &SecretSource::ById(secret.into()), None, TIMEOUT).await;
            let SecretLookup::Failed(because) = found else { panic!("{secret} is not an id") };
            let check = check.unwrap();
            assert_eq!((check.finding.status, &*check.name), (Status::Bad, "VARIABLE"));
            assert!(!format!("{check:?} {because}").contains("hunter"), "{check:?}");
        }
    }
}
